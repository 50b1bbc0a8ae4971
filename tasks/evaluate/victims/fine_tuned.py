"""A pretrained network that is trained further as a victim."""

from typing import TYPE_CHECKING

from torch import nn

from tasks.evaluate import pretrained
from tasks.nn import networks

if TYPE_CHECKING:
    from schemas.victims import FineTunedVictim


def build(victim: "FineTunedVictim", classes: int, size: int, seed: int) -> nn.Module:
    """A pretrained network for pictures of side `size`, its last layer a fresh one for `classes` classes.

    Raises ConfigurationError when the weights are not at hand or the network can't take the pictures.
    """
    return networks.initialised(seed, lambda: _network(victim, classes, size))


def smallest(victim: "FineTunedVictim") -> int:
    """The smallest side in pixels that its backbone takes.

    Raises ConfigurationError when the weights are not at hand: before anything is trained beside it.
    """
    return pretrained.smallest(victim)


def _network(victim: "FineTunedVictim", classes: int, size: int) -> nn.Module:
    found = pretrained.load(victim, size)
    found.replace_head(nn.Linear(found.features, classes))
    return nn.Sequential(found.normalised(), found.network)
