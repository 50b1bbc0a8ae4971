"""DenseNet-121 as a victim."""

from typing import TYPE_CHECKING

from torch import nn

from tasks.nn import cifar_forms, networks

if TYPE_CHECKING:
    from schemas.victims import DenseNet121Victim


def build(victim: "DenseNet121Victim", classes: int, size: int, seed: int) -> nn.Module:
    """A fresh network for `classes` classes and pictures of side `size`: its CIFAR form below 64 pixels."""
    del victim
    return networks.initialised(seed, lambda: cifar_forms.densenet121(classes, size))


def smallest(victim: "DenseNet121Victim") -> int:
    """The smallest side in pixels that it takes: its transitions halve pictures three times."""
    del victim
    return 8
