"""A box of each picture from another one, classes mixed by its area."""

from typing import TYPE_CHECKING

from torchvision.transforms import v2

from tasks.evaluate.picture_ops import paired
from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import CutMix

VERSION = 1


def treatment(countermeasure: "CutMix") -> Treatment:
    """One box a batch, cut off at the border; a class's share is the area that shows it (Yun et al. 2019)."""
    return Treatment(change=paired(lambda classes: v2.CutMix(alpha=countermeasure.beta, num_classes=classes)))


def smallest(countermeasure: "CutMix") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1
