"""VGG-11 with batch normalisation as a victim."""

from typing import TYPE_CHECKING

from torch import nn

from tasks.nn import cifar_forms, networks

if TYPE_CHECKING:
    from schemas.victims import VGG11Victim


def build(victim: "VGG11Victim", classes: int, size: int, seed: int) -> nn.Module:
    """A fresh network for `classes` classes and pictures of side `size`: its CIFAR form below 64 pixels."""
    del victim
    return networks.initialised(seed, lambda: cifar_forms.vgg11(classes, size))


def smallest(victim: "VGG11Victim") -> int:
    """The smallest side in pixels that it takes: it halves pictures five times."""
    del victim
    return 32
