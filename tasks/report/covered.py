"""Which classes of each copy were to be protected, under the names by which its victims know them."""

from collections.abc import Sequence

from infra.storage import Folder
from schemas.evaluate import VictimRun
from tasks.evaluate.per_class import protected_classes
from tasks.report.classes import Covered
from tasks.report.display import whole_name
from tasks.rewrite.audit import manifest_of


def covered_classes(copies: Sequence[str], run: VictimRun) -> Covered:
    """The protected classes by each copy's name; `run`, any of the evaluation, tells what classes there are.

    Raises DataError for what is no destination.
    """
    manifests = [manifest_of(Folder(copy)) for copy in copies]
    return {whole_name(each.protection.model_dump()): frozenset(protected_classes(run, each)) for each in manifests}
