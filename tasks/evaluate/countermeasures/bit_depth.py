"""Training pictures at fewer bits a value."""

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import BitDepth

VERSION = 1


def treatment(countermeasure: "BitDepth") -> Treatment:
    """The highest bits of each value are kept, and the 2**bits levels spread evenly from 0 to 255."""
    return Treatment(pictures=partial(_reduced, bits=countermeasure.bits))


def smallest(countermeasure: "BitDepth") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1


def _reduced(images: Tensor, bits: int) -> Tensor:
    level = torch.bitwise_right_shift(images, 8 - bits).to(torch.float32)
    return (level * 255 / (2**bits - 1)).round().to(torch.uint8)
