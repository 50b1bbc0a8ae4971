"""A linear layer on a frozen, pretrained network as a victim."""

from typing import TYPE_CHECKING, Self

from torch import Tensor, nn

from tasks.evaluate import pretrained
from tasks.nn import networks

if TYPE_CHECKING:
    from schemas.victims import LinearProbeVictim


def build(victim: "LinearProbeVictim", classes: int, size: int, seed: int) -> nn.Module:
    """A pretrained network for pictures of side `size`, and a fresh linear layer for `classes` classes.

    Raises ConfigurationError when the weights are not at hand or the network can't take the pictures.
    """
    return networks.initialised(seed, lambda: _network(victim, classes, size))


def smallest(victim: "LinearProbeVictim") -> int:
    """The smallest side in pixels that its backbone takes.

    Raises ConfigurationError when the weights are not at hand: before anything is trained beside it.
    """
    return pretrained.smallest(victim)


class Probe(nn.Module):
    """Features that stay as they are, in eval mode whatever is asked for, and a linear layer that learns."""

    def __init__(self, features: nn.Module, head: nn.Linear):
        super().__init__()
        self.features = features.requires_grad_(False)
        self.head = head
        self.train()

    def train(self, mode: bool = True) -> Self:
        """As any module's, but batch normalisation and dropout of the features stay as in a test."""
        super().train(mode)
        self.features.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, classes] of float [N, 3, S, S] in [0, 1]."""
        return self.head(self.features(x).flatten(1))


def _network(victim: "LinearProbeVictim", classes: int, size: int) -> nn.Module:
    found = pretrained.load(victim, size)
    found.replace_head(nn.Identity())
    return Probe(nn.Sequential(found.normalised(), found.network), nn.Linear(found.features, classes))
