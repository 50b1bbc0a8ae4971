"""The three sets of pictures of an evaluation, each loaded once in a process and shared by its runs."""

from infra.caching import forget as forget_all
from infra.caching import shared
from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig
from schemas.recipe import Recipe
from tasks.evaluate import data
from tasks.evaluate.data import Pictures
from tasks.rewrite.audit import clean_spec, manifest_of

_loaded = shared(8)(data.load)
_typical_side = shared(8)(data.typical_side)


def forget() -> None:
    """Let go of all pictures: since the last evaluation of this process, others may lie in the same places."""
    forget_all(_loaded, _typical_side)


def size_of(config: EvaluateConfig, recipe: Recipe) -> int:
    """Side in pixels at which a victim sees pictures: the recipe's, else the clean pictures' own."""
    return recipe.size or _typical_side(_clean_spec(config, config.protected[0]))


def protected_set(copy: str, size: int) -> Pictures:
    """The pictures of one protected copy, as stored."""
    made = manifest_of(Folder(copy)).dataset.source  # tells the split, and where label and picture are
    return _loaded(made.model_copy(update={"url": copy, "limit": None}), size)


def clean_set(config: EvaluateConfig, size: int) -> Pictures:
    """The originals of exactly the protected samples. Raises DataError when one is missing, or copies differ."""
    copy = config.protected[0]
    protected = protected_set(copy, size)
    for other in config.protected[1:]:
        if protected_set(other, size).names != protected.names:
            problem = f"{copy} and {other} do not hold the same samples"
            raise data.DataError(problem, "evaluate copies together that were made from one source and split")
    return data.select(_loaded(_clean_spec(config, copy), size, protected.classes), protected.names)


def test_set(config: EvaluateConfig, size: int) -> Pictures:
    """The clean test pictures, classes in the order of the protected copies."""
    return _loaded(config.test, size, protected_set(config.protected[0], size).classes)


def _clean_spec(config: EvaluateConfig, copy: str) -> SourceSpec:
    return clean_spec(config.clean, manifest_of(Folder(copy)))


def caption(copy: str) -> str:
    """How a protected copy is called in a report, such as 'error-minimizing, class-wise, 8/255, patch 16'."""
    protection = manifest_of(Folder(copy)).protection
    part = "" if protection.fraction >= 1 else f"on {100 * protection.fraction:g} % of the samples"
    names = (protection.method, protection.form, f"{protection.epsilon}/255", protection.variant, part)
    return ", ".join(filter(None, names))
