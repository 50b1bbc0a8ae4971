"""What a linear model finds in the training pictures, taken out of them.

Sandoval-Segura et al., "What Can We Learn from Unlearnable Datasets?" (NeurIPS 2023): logistic regression on the
pixels recovers class-wise noise in its weights, and pictures projected onto what is orthogonal to them are learnt from
again. Two things differ from the paper, as pictures stay uint8 here. The mean picture is kept, only what differs from
it is projected: that takes away just as much of what tells classes apart, and leaves far fewer values out of range,
which are cut at 0 and 255. And the regression is on centred pictures of unit length, so that one learning rate does
for every size.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from infra.errors import ConfigurationError
from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import OrthogonalProjection

VERSION = 1
_BATCH, _PART = 128, 128
_LR, _MOMENTUM = 1.0, 0.9
# Weights of a class less than this part of the largest are what rounding leaves of weights that depend on the others.
_RANK_TOLERANCE = 1e-4
_BASIS_STEPS, _COORDINATE_STEPS = 2.0**20, 2.0**6


def treatment(countermeasure: "OrthogonalProjection") -> Treatment:
    """Learns a linear model of the training pictures, and projects each picture."""
    return Treatment(learn=partial(_learn, epochs=countermeasure.epochs))


def smallest(countermeasure: "OrthogonalProjection") -> int:
    """See CountermeasureModule. How many classes there may be depends on the size: see `most_classes`."""
    del countermeasure
    return 2


def most_classes(size: int) -> int:
    """One less than a picture of side `size` has values: see `_learn`."""
    return 3 * size * size - 1


def _learn(images: Tensor, labels: Tensor, seed: int, epochs: int) -> "_Projection":
    """The projection for pictures such as uint8 [N, S, S, 3] of classes int64 [N].

    Raises ConfigurationError when a picture has no more values than there are classes: nothing would be left of it.
    """
    values, classes = images[0].numel(), int(labels.max()) + 1
    if classes >= values:
        problem = f"orthogonal-projection takes {classes} directions out of pictures that have {values} values"
        raise ConfigurationError(problem, "evaluate larger pictures, or leave this countermeasure out")
    mean, length = _statistics(images)
    weights = _regression(images, labels, mean, length, epochs, seed)
    left, size, _ = torch.linalg.svd(weights.to(torch.float64), full_matrices=False)
    basis = left[:, size > _RANK_TOLERANCE * size[0]]
    return _Projection(mean.to(torch.float64).round(), (basis * _BASIS_STEPS).round())


def _statistics(images: Tensor) -> tuple[Tensor, float]:
    """The mean picture float32 [D], and the root mean square of the pictures' distance from it."""
    total, squares = torch.zeros(images[0].numel(), dtype=torch.float64, device=images.device), 0.0
    for part in images.flatten(1).split(_PART):
        total += part.sum(0, dtype=torch.float64)
        squares += float(part.to(torch.float32).square().sum(dtype=torch.float64))
    mean = total / len(images)
    return mean.to(torch.float32), max(squares / len(images) - float(mean.square().sum()), 1.0) ** 0.5


def _regression(images: Tensor, labels: Tensor, mean: Tensor, length: float, epochs: int, seed: int) -> Tensor:
    """Weights float32 [D, K] of a logistic regression by SGD with momentum, its rate falling to 0 along a line."""
    generator = torch.Generator().manual_seed(seed)
    flat = images.flatten(1)
    weights = torch.zeros(flat.shape[1], int(labels.max()) + 1, device=images.device)
    move = torch.zeros_like(weights)
    done, steps = 0, epochs * math.ceil(len(flat) / _BATCH)
    for _ in range(epochs):
        for chosen in torch.randperm(len(flat), generator=generator).to(images.device).split(_BATCH):
            x = flat[chosen].to(torch.float32).sub_(mean).div_(length)
            error = (x @ weights).softmax(1)
            error[torch.arange(len(x), device=x.device), labels[chosen]] -= 1
            move.addmm_(x.T, error, beta=_MOMENTUM, alpha=1 / len(x))
            weights.sub_(move, alpha=_LR * (1 - done / steps))
            done += 1
    return weights


@dataclass(frozen=True)
class _Projection:
    """Takes out of pictures what of their difference from the mean picture lies along a basis.

    All sums are of whole numbers below 2**53 in float64, hence exact in any order: a picture comes out the same in any
    chunk and on any device. `mean`: whole values [D]; `basis`: orthonormal [D, R], in steps of 2**-20.
    """

    mean: Tensor
    basis: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        return torch.cat([self._projected(part) for part in images.split(_PART)])

    def _projected(self, images: Tensor) -> Tensor:
        values = images.flatten(1).to(torch.float64)
        coordinates = (values - self.mean) @ self.basis * (_COORDINATE_STEPS / _BASIS_STEPS)
        found = coordinates.round() @ self.basis.T / (_COORDINATE_STEPS * _BASIS_STEPS)
        return (values - found).round().clamp(0, 255).to(torch.uint8).view(images.shape)
