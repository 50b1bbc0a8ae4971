"""Test pictures by true class and answer, counted in tensors: a matrix of all classes is too much for every epoch."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MOST = 200  # classes of which the whole matrix is kept: it grows with their square

Confusion = tuple[tuple[int, ...], ...]
PerClass = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Tally:
    """Answers to test pictures of K classes, on the CPU.

    `right` and `pictures` are int64 [K], by true class. `matrix` is int64 [K, K], true class by row and answer by
    column; [0, 0] above `MOST` classes.
    """

    right: Tensor
    pictures: Tensor
    matrix: Tensor

    def confusion(self) -> Confusion:
        """The matrix in tuples; empty above `MOST` classes."""
        return tuple(tuple(row) for row in self.matrix.tolist())

    def per_class(self) -> PerClass:
        """Right answers and test pictures, by class."""
        return tuple(zip(self.right.tolist(), self.pictures.tolist(), strict=True))

    def notes(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        return {name: getattr(self, name).tolist() for name in ("right", "pictures", "matrix")}


def count(truth: Tensor, answers: Tensor, classes: int) -> Tally:
    """Tally of int64 [N] answers to pictures of int64 [N] true classes."""
    truth, answers = truth.cpu(), answers.cpu()
    right = torch.bincount(truth[truth == answers], minlength=classes)
    pictures = torch.bincount(truth, minlength=classes)
    return Tally(right, pictures, _matrix(truth, answers, classes))


def from_notes(notes: dict[str, Any]) -> Tally:
    """The tally that `notes` were made of."""
    right, pictures = (torch.tensor(notes[name], dtype=torch.int64) for name in ("right", "pictures"))
    side = len(notes["matrix"])
    return Tally(right, pictures, torch.tensor(notes["matrix"], dtype=torch.int64).view(side, side))


def _matrix(truth: Tensor, answers: Tensor, classes: int) -> Tensor:
    if classes > MOST:
        return torch.zeros(0, 0, dtype=torch.int64)
    return torch.bincount(truth * classes + answers, minlength=classes * classes).view(classes, classes)
