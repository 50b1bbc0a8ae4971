"""ResNet-50 as a victim."""

from typing import TYPE_CHECKING

from torch import nn

from tasks.nn import cifar_forms, networks

if TYPE_CHECKING:
    from schemas.victims import ResNet50Victim


def build(victim: "ResNet50Victim", classes: int, size: int, seed: int) -> nn.Module:
    """A fresh network for `classes` classes and pictures of side `size`: its CIFAR form below 64 pixels."""
    del victim
    return networks.initialised(seed, lambda: cifar_forms.resnet50(classes, size))


def smallest(victim: "ResNet50Victim") -> int:
    """The smallest side in pixels that it takes: any, for its convolutions pad what they halve."""
    del victim
    return 1
