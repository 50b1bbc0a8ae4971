"""One random operation a picture."""

from typing import TYPE_CHECKING

from torchvision.transforms import v2

from tasks.evaluate.picture_ops import per_picture
from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import TrivialAugment

VERSION = 1


def treatment(countermeasure: "TrivialAugment") -> Treatment:
    """Torchvision's TrivialAugment with its wide range of strengths (Müller and Hutter 2021)."""
    del countermeasure
    return Treatment(change=per_picture(v2.TrivialAugmentWide()))


def smallest(countermeasure: "TrivialAugment") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1
