"""Training pictures with each channel brought to the same mean and deviation."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import Standardise

VERSION = 1
# What each channel comes to, but for the few values that are cut at 0 and 255 (under 1 % of CIFAR-10's): about what
# photographs have themselves, as victims are tested on pictures that nothing is done to.
MEAN, DEVIATION = 128.0, 48.0


def treatment(countermeasure: "Standardise") -> Treatment:
    """Each channel of each picture, by its own mean and deviation, to mean 128 and deviation 48.

    A channel whose deviation is below one step of 1/255 is taken to have that one, so a flat channel becomes 128.
    """
    del countermeasure
    return Treatment(pictures=_standardised)


def smallest(countermeasure: "Standardise") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1


def _standardised(images: Tensor) -> Tensor:
    values = images.to(torch.float32)
    # Sums in float64 are of whole numbers and exact, so a picture comes out the same in any chunk.
    mean = values.mean((1, 2), keepdim=True, dtype=torch.float64)
    variance = values.square().mean((1, 2), keepdim=True, dtype=torch.float64) - mean.square()
    scale = DEVIATION / variance.clamp(min=1).sqrt()
    standard = MEAN + (values - mean.to(torch.float32)) * scale.to(torch.float32)
    return standard.round().clamp(0, 255).to(torch.uint8)
