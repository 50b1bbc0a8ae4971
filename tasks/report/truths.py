"""What no number of a run shows, and its reader has to know all the same."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from schemas.report import ReportContext
from tasks.report.display import CLEAN

SMALL = (
    "On pictures of about 32 pixels and at 8/255, error-minimizing noise gives way to grayscale training and, for "
    "the most part, to strong JPEG compression."
)
LARGE = "On pictures of about 224 pixels it withstands both far better"
PARTIAL = (
    "A protected part does not shield the rest: a network learns from the unprotected pictures as if the others "
    "were not there (published: 86.9 % with 80 % protected, 84.3 % from the clean 20 % alone), and a few hundred "
    "clean pictures among tens of thousands already help it."
)
ALWAYS = (
    "Victims that start from pretrained weights, contrastive learners and face verification partly escape; this "
    "report says nothing of them.",
    "What is published can't be called back or strengthened: every countermeasure found later applies to it too.",
    "Whoever can get pairs of originals and protected pictures from the same bucket can train a network that takes "
    "the noise off. So each bucket has its own secret key, and neither noise nor originals may leave the workspace.",
    "A host that re-encodes pictures (thumbnails, JPEG) applies a countermeasure: protect last, store without loss, "
    "and test the bytes that are served.",
)


def truths(context: ReportContext, frame: pd.DataFrame) -> list[str]:
    """The limits that apply to this run, a sentence or two each; none when only clean data were trained on.

    Looks at `context.settings` for the pictures' side in pixels: `size`, or the victims' `recipe.size`.
    """
    protected = frame[frame["method"] != CLEAN]
    if protected.empty:
        return []
    found = (
        [_about_size(_side(context.settings))] if protected["method"].str.startswith("error-minimizing").any() else []
    )
    if (protected["fraction"] < 1).any() or any(copy.changed < copy.samples for copy in context.protected):
        found.append(PARTIAL)
    return [*found, *ALWAYS]


def _about_size(side: int | None) -> str:
    if side is None:
        return f"{SMALL} {LARGE}: what holds depends on the pictures' size."
    if side <= 64:
        return f"{SMALL} The pictures here have {side} pixels a side, so expect the same."
    return f"{SMALL} {LARGE}; the pictures here have {side} pixels a side."


def _side(settings: Mapping[str, Any]) -> int | None:
    victims = settings.get("victims")
    listed = victims if isinstance(victims, list | tuple) else []
    recipes = [victim.get("recipe") for victim in listed if isinstance(victim, dict)]
    sizes = [settings.get("size"), *(recipe.get("size") for recipe in recipes if isinstance(recipe, dict))]
    known = [size for size in sizes if isinstance(size, int) and not isinstance(size, bool)]
    return known[0] if known else None
