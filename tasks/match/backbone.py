"""Likeness of classes to a pretrained network of torchvision's whose weights are at hand; nothing is downloaded."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tasks.match.class_means import class_means
from tasks.nn import pretrained
from tasks.nn.batches import FitData


@dataclass(frozen=True)
class Backbone:
    """A network in eval mode whose output is its penultimate layer's, and the pictures that it was trained on.

    Those had a side of `side` pixels, and the `mean` and deviation `std`, float [3, 1, 1], were taken off them.
    """

    network: nn.Module
    side: int
    mean: Tensor
    std: Tensor

    def features(self, x: Tensor) -> Tensor:
        """Features [B, D] of float [B, 3, S, S] in [0, 1]."""
        x = functional.interpolate(x, size=(self.side, self.side), mode="bilinear", antialias=True)
        return self.network((x - self.mean) / self.std).flatten(1)


def load(name: str, device: torch.device) -> Backbone:
    """The torchvision classification network `name` with its pretrained weights, on `device`.

    Raises ConfigurationError when there is no such network, its weights are not in torch's hub cache, or the file
    there doesn't hold them.
    """
    found = pretrained.load(name)
    found.replace_head(nn.Identity())
    network = found.network.eval().requires_grad_(False).to(device)
    mean, std = found.mean.to(device), found.std.to(device)
    return Backbone(network.to(memory_format=torch.channels_last), found.side, mean, std)


def scores(backbone: Backbone, private: FitData, public: FitData, tell: Callable[[str], None]) -> NDArray[np.float64]:
    """Likeness of class means in the space of the features: float [private, public] in 0..1, 0.5 for unrelated ones.

    It is (1 + cosine) / 2, taken from the mean of the public classes' means: from the origin, features that are
    never negative make all classes look alike. `tell` hears of each dataset.
    """
    means: list[NDArray[np.float64]] = []
    for which, data in (("public", public), ("private", private)):
        means.append(class_means(backbone.features, data))
        tell(f"{which} pictures")
    there = np.bincount(private.labels.cpu().numpy(), minlength=private.classes) > 0
    origin = means[0].mean(axis=0)
    likeness = _unit(means[1] - origin) @ _unit(means[0] - origin).T
    # Of a class without a picture nothing is known.
    return np.where(there[:, None], (1 + likeness.clip(-1, 1)) / 2, 0.0)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
