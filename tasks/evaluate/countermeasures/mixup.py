"""Pictures and classes mixed in pairs."""

from typing import TYPE_CHECKING

from torchvision.transforms import v2

from tasks.evaluate.picture_ops import paired
from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import Mixup

VERSION = 1


def treatment(countermeasure: "Mixup") -> Treatment:
    """Each picture and its class mixed with another's, by one share a batch (Zhang et al. 2018)."""
    return Treatment(change=paired(lambda classes: v2.MixUp(alpha=countermeasure.beta, num_classes=classes)))


def smallest(countermeasure: "Mixup") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1
