"""Likeness of classes to a small network that was trained on the public data: nothing to download."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from infra.errors import ConfigurationError
from tasks.match.class_means import class_means
from tasks.nn import augment, networks
from tasks.nn.batches import FitData, Resident
from tasks.nn.fold import fold
from tasks.nn.train import Training

if TYPE_CHECKING:
    from schemas.recipe import Recipe

NETWORK = "tiny"


def scores(
    private: FitData, public: FitData, recipe: "Recipe", seed: int, tell: Callable[[str], None]
) -> NDArray[np.float64]:
    """The network's mean prediction over each private class, its leanings taken out: float [private, public].

    From 0 to 1, each row of sum 1; a private class without a picture has zeros. `tell` hears of each epoch. The same
    seed on the same kind of device gives the same scores. Raises ConfigurationError when the training diverges.
    """
    model = trained(public, recipe, seed, tell)
    found = class_means(partial(_prediction, fold(model)), private)
    if not np.isfinite(found).all():
        raise _diverged()
    return without_leanings(found)


def without_leanings(predictions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean predictions [private, public] divided by how readily the network gives each answer; rows of sum 1 again.

    Pictures of another origin make it lean to a few answers, whatever they show: from cifar10match64 to CIFAR-10 it
    says dog to half of the animals: the largest mean prediction is right for 4 classes of 10, like this for 9 or 10.
    The readiness is the mean over the private classes and over one more that it says nothing of (all answers alike),
    so that the fewer classes there are, the less is made of it; with a single one the order of its answers stays.
    """
    sums = predictions.sum(axis=1, keepdims=True)
    unsaid = np.full((1, predictions.shape[1]), 1 / predictions.shape[1])
    readiness = np.concatenate([predictions[sums[:, 0] > 0], unsaid]).mean(axis=0)
    leveled = predictions / readiness
    return np.divide(leveled, leveled.sum(axis=1, keepdims=True), out=np.zeros_like(leveled), where=sums > 0)


def trained(public: FitData, recipe: "Recipe", seed: int, tell: Callable[[str], None]) -> nn.Module:
    """The network after its training on uint8 [N, S, S, 3]. Raises ConfigurationError when it diverges."""
    model = networks.build(NETWORK, public.classes, public.size, seed).to(public.images.device)
    run = Training(model, Resident(public.images, public.labels), recipe, augment.of(recipe), seed)
    for epoch in run.epochs():
        if not math.isfinite(epoch.loss):
            raise _diverged()
        tell(f"accuracy {epoch.train_accuracy:.0f} %")
    return model


def _prediction(model: nn.Module, x: Tensor) -> Tensor:
    """Probabilities float32 [B, classes] for float [B, 3, S, S]."""
    return model(x).float().softmax(1)


def _diverged() -> ConfigurationError:
    problem = "the network that was to match classes by sight diverged in its training on the public data"
    return ConfigurationError(problem, "lower its learning rate (matching.training.lr)")
