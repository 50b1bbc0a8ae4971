"""A square of each picture set to zero."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import Cutout

VERSION = 1


def treatment(countermeasure: "Cutout") -> Treatment:
    """A square with its centre anywhere in the picture, black, cut off at the border (DeVries and Taylor 2017)."""
    side = countermeasure.side

    def change(model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        del model
        height, width = x.shape[2:]
        rows = _within(height, side, len(x), generator).view(-1, 1, height, 1)
        columns = _within(width, side, len(x), generator).view(-1, 1, 1, width)
        cut = x.masked_fill((rows & columns).to(x.device), 0)
        return cut.contiguous(memory_format=torch.channels_last), y

    return Treatment(change=change)


def smallest(countermeasure: "Cutout") -> int:
    """See CountermeasureModule."""
    return countermeasure.side


def _within(length: int, side: int, pictures: int, generator: torch.Generator) -> Tensor:
    """For each picture which of `length` rows (or columns) its square covers: bool [pictures, length]."""
    first = torch.randint(length, (pictures, 1), generator=generator) - side // 2
    place = torch.arange(length)
    return (place >= first) & (place < first + side)
