"""What the configuration says of how victims were trained, and whether the recipe fits the pictures."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from infra.errors import one_line
from schemas.recipe import FacesRecipe, Family, Recipe
from schemas.report import ReportContext
from schemas.victims import Victim

# Others have a recipe of their own, which is no family's.
_OF_A_FAMILY = frozenset(
    each.model_fields["kind"].default
    for each in get_args(get_args(Victim)[0])
    if each.model_fields["recipe"].annotation in (Recipe, FacesRecipe)
)
LARGE_SIDE, MANY_CLASSES = 64, 100


def side_of(settings: Mapping[str, Any]) -> int | None:
    """Side in pixels at which victims saw the pictures: `size`, or the first of the victims' `recipe.size`."""
    sizes = [settings.get("size"), *(recipe.get("size") for _, recipe in _recipes(settings))]
    known = [size for size in sizes if isinstance(size, int) and not isinstance(size, bool)]
    return known[0] if known else None


def unfit_recipes(context: ReportContext, classes: int, faces: bool) -> Iterator[str]:
    """A sentence a victim that was trained by CIFAR-10's recipe on pictures that another family's fits better."""
    side = side_of(context.settings)
    for kind, recipe in _recipes(context.settings):
        own = recipe.get("size") or side
        fitting = _fitting(own if isinstance(own, int) else None, classes, faces)
        if kind not in _OF_A_FAMILY or recipe.get("family") != "cifar10" or fitting is None:
            continue
        on = f"pictures of {own} pixels a side" if fitting != "cifar100" else f"pictures of {classes} classes"
        trained = f"{one_line(str(kind))} was trained by the recipe for CIFAR-10 on {on}"
        yield f"{trained}, so its numbers, the ceiling's too, may fall short: the recipe of the family {fitting} fits."


def _fitting(side: int | None, classes: int, faces: bool) -> Family | None:
    if side is not None and side >= LARGE_SIDE:
        return "faces" if faces else "imagenet"
    return "cifar100" if classes >= MANY_CLASSES else None


def _recipes(settings: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Kind and recipe of each victim of the settings, as far as they say."""
    victims = settings.get("victims")
    listed = [each for each in victims if isinstance(each, Mapping)] if isinstance(victims, list | tuple) else []
    return [(str(each.get("kind")), recipe) for each in listed if isinstance(recipe := each.get("recipe"), Mapping)]
