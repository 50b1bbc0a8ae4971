"""ResNet-18 as a victim."""

from typing import TYPE_CHECKING

from torch import nn

from tasks.nn import networks

if TYPE_CHECKING:
    from schemas.victims import ResNet18Victim


def build(victim: "ResNet18Victim", classes: int, size: int, seed: int) -> nn.Module:
    """A fresh network for `classes` classes and pictures of side `size`: its CIFAR form below 64 pixels.

    With another `width` than its own it has that form at every size.
    """
    widths = tuple(victim.width * times for times in (1, 2, 4, 8))
    return networks.build("resnet18", classes, size, seed, widths)


def smallest(victim: "ResNet18Victim") -> int:
    """The smallest side in pixels that it takes: any, for its convolutions pad what they halve."""
    del victim
    return 1
