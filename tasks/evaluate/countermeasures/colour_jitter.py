"""Brightness, contrast, saturation and hue changed at random."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.evaluate.treatment import Treatment
from tasks.nn import augment

if TYPE_CHECKING:
    from schemas.countermeasures import ColourJitter

VERSION = 1


def treatment(countermeasure: "ColourJitter") -> Treatment:
    """The first three by factors of 1 ± strength, the hue by up to half the strength of the colour circle."""
    strength = countermeasure.strength

    def change(model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        del model
        return augment.jitter(x, (strength, strength, strength, strength / 2), generator), y

    return Treatment(change=change)


def smallest(countermeasure: "ColourJitter") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1
