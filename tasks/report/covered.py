"""Which classes of each copy were to be protected, under the names by which its victims know them."""

from infra.storage import Folder
from schemas.evaluate import EvaluateConfig, VictimRun
from tasks.evaluate.per_class import protected_classes
from tasks.report.classes import Covered
from tasks.report.display import whole_name
from tasks.rewrite.audit import manifest_of


def covered_classes(config: EvaluateConfig, run: VictimRun) -> Covered:
    """The protected classes by each copy's name; `run`, any of the evaluation, tells what classes there are.

    Raises DataError for what is no destination.
    """
    learnt = config.beside.classes if config.beside else None
    manifests = [manifest_of(Folder(copy)) for copy in config.protected]
    return {
        whole_name(each.protection.model_dump()): frozenset(protected_classes(run, each, learnt)) for each in manifests
    }
