"""Inception-ResNet v1 as a victim: the paper's for faces."""

from typing import TYPE_CHECKING

from torch import nn

from tasks.nn import networks
from tasks.nn.inception_resnet import InceptionResNetV1

if TYPE_CHECKING:
    from schemas.victims import InceptionResNetVictim


def build(victim: "InceptionResNetVictim", classes: int, size: int, seed: int) -> nn.Module:
    """A fresh network for `classes` classes; it is the same for pictures of any `size`."""
    del victim, size
    return networks.initialised(seed, lambda: InceptionResNetV1(classes))


def smallest(victim: "InceptionResNetVictim") -> int:
    """The smallest side in pixels that it takes: its stem and its two reductions leave one pixel of 75."""
    del victim
    return 75
