"""What no number of a run shows, and its reader has to know all the same."""

from collections.abc import Sequence

import pandas as pd

from schemas.report import ReportContext
from tasks.report.display import CLEAN, listing
from tasks.report.recipes import side_of

SMALL = (
    "Published: on pictures of about 32 pixels and at 8/255, error-minimizing noise gives way to grayscale training "
    "and, for the most part, to strong JPEG compression."
)
LARGE = "On pictures of about 224 pixels it withstands both far better"
PARTIAL = (
    "A protected part does not shield the rest: a network learns from the unprotected pictures as if the others "
    "were not there (published: 86.9 % with 80 % protected, 84.3 % from the clean 20 % alone), and a few hundred "
    "clean pictures among tens of thousands already help it."
)
ESCAPE = "Victims that start from pretrained weights, contrastive learners and face verification partly escape"
ALWAYS = (
    "What is published can't be called back or strengthened: every countermeasure found later applies to it too.",
    "Whoever can get pairs of originals and protected pictures from the same bucket can train a network that takes "
    "the noise off. So each bucket has its own secret key, and neither noise nor originals may leave the workspace.",
    "A host that re-encodes pictures (thumbnails, JPEG) applies a countermeasure: protect last, store without loss, "
    "and test the bytes that are served.",
)
_PRETRAINED = ("linear-probe", "fine-tuned")


def truths(context: ReportContext, frame: pd.DataFrame) -> list[str]:
    """The limits that apply to this run, a sentence or two each; none when only clean data were trained on.

    Looks at `context.settings` for the pictures' side in pixels: `size`, or the victims' `recipe.size`.
    """
    protected = frame[frame["method"] != CLEAN]
    if protected.empty:
        return []
    found = []
    if protected["method"].str.startswith("error-minimizing").any():
        found.append(_about_size(side_of(context.settings), set(protected["countermeasure"])))
    if (protected["fraction"] < 1).any() or any(copy.changed < copy.samples for copy in context.protected):
        found.append(PARTIAL)
    return [*found, _escape(protected), *ALWAYS]


def _escape(protected: pd.DataFrame) -> str:
    """What partly escapes, and of what of it this report says nothing."""
    pretrained = protected["victim"].str.startswith(_PRETRAINED).any()
    unsaid = [
        *([] if pretrained else ["such pretrained victims"]),
        "contrastive learners",
        *([] if protected["auc"].notna().any() else ["face verification"]),
    ]
    return f"{ESCAPE}; this report says nothing of {_either(unsaid)}."


def _either(names: Sequence[str]) -> str:
    return "them" if len(names) == 3 else listing(list(names))


def _about_size(side: int | None, tried: set[str]) -> str:
    if side is None:
        return f"{SMALL} {LARGE}: what holds depends on the pictures' size."
    if side > 64:
        return f"{SMALL} {LARGE}; the pictures here have {side} pixels a side."
    here = f"{SMALL} The pictures here have {side} pixels a side"
    if "grayscale" in tried and any(name.startswith("jpeg-") for name in tried):
        return f"{here}, and the results above say what both do to this noise."
    return f"{here}, so expect the same."
