"""The small victim."""

from typing import TYPE_CHECKING

from torch import nn

from tasks.nn import networks

if TYPE_CHECKING:
    from schemas.evaluate import TinyVictim


def build(victim: "TinyVictim", classes: int, size: int, seed: int) -> nn.Module:
    """A fresh network for `classes` classes and pictures of side `size`."""
    return networks.build("tiny", classes, size, seed, victim.widths)
