"""Training pictures scaled down and up again."""

from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode, functional

from tasks.evaluate import filters
from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import Rescale

VERSION = 1


def treatment(countermeasure: "Rescale") -> Treatment:
    """Bilinear both ways, antialiased on the way down; the small side is rounded down to whole pixels."""
    return Treatment(pictures=partial(_rescaled, factor=countermeasure.factor))


def smallest(countermeasure: "Rescale") -> int:
    """See CountermeasureModule. Two pixels have to be left, or nothing of the picture is."""
    return 2 * countermeasure.factor


def _rescaled(images: Tensor, factor: int) -> Tensor:
    side = images.shape[1]
    small = _scaled(filters.to_values(images), side // factor)
    return filters.to_pictures(_scaled(small, side))


def _scaled(values: Tensor, side: int) -> Tensor:
    return functional.resize(values, [side, side], interpolation=InterpolationMode.BILINEAR, antialias=True)
