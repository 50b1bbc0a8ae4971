"""Two random operations a picture."""

from typing import TYPE_CHECKING

from torchvision.transforms import v2

from tasks.evaluate.picture_ops import per_picture
from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import RandAugment

VERSION = 1


def treatment(countermeasure: "RandAugment") -> Treatment:
    """Torchvision's RandAugment with two operations, at the magnitude of 0 to 30 (Cubuk et al. 2020)."""
    transform = v2.RandAugment(num_ops=2, magnitude=countermeasure.magnitude, num_magnitude_bins=31)
    return Treatment(change=per_picture(transform))


def smallest(countermeasure: "RandAugment") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1
