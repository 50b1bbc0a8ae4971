"""The small victim."""

from typing import TYPE_CHECKING

from torch import nn

from tasks.nn import networks

if TYPE_CHECKING:
    from schemas.victims import TinyVictim


def build(victim: "TinyVictim", classes: int, size: int, seed: int) -> nn.Module:
    """A fresh network for `classes` classes and pictures of side `size`."""
    return networks.build("tiny", classes, size, seed, victim.widths)


def smallest(victim: "TinyVictim") -> int:
    """The smallest side in pixels that it takes: it halves pictures three times."""
    del victim
    return 8
