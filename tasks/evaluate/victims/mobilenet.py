"""MobileNet v3 small (Howard et al. 2019, as timm's mobilenetv3_small_100) as a victim."""

from typing import TYPE_CHECKING

from torch import nn

from tasks.nn import networks

if TYPE_CHECKING:
    from schemas.victims import MobileNetVictim


def build(victim: "MobileNetVictim", classes: int, size: int, seed: int) -> nn.Module:
    """A fresh network for `classes` classes and pictures of side `size`: without its first stride below 64 pixels."""
    del victim
    return networks.initialised(seed, lambda: _network(classes, size))


def smallest(victim: "MobileNetVictim") -> int:
    """The smallest side in pixels that it takes: any, for its convolutions pad what they halve."""
    del victim
    return 1


def _network(classes: int, size: int) -> nn.Module:
    import timm  # slow to import

    network = timm.create_model("mobilenetv3_small_100", pretrained=False, num_classes=classes)
    if size < networks.STOCK_FROM:
        stem = network.get_submodule("conv_stem")
        vars(stem)["stride"] = (1, 1)
    return network
