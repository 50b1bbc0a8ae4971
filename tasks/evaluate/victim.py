"""One victim trained and tested: the unit of every claim that a report makes."""

import importlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.nn import augment, train

if TYPE_CHECKING:
    from schemas.evaluate import Countermeasure, Victim
    from tasks.evaluate.data import Pictures

VERSION = 1


@dataclass(frozen=True)
class Point:
    """One epoch: mean loss in nats; accuracies in percent on the training pictures as seen and on clean ones."""

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float


@dataclass(frozen=True)
class Result:
    """A finished run: its epochs, and the test pictures by true class (row) and answer (column)."""

    curve: tuple[Point, ...]
    confusion: tuple[tuple[int, ...], ...]
    seconds: float

    @property
    def diverged(self) -> bool:
        """True when the loss stopped being a number."""
        return not math.isfinite(self.curve[-1].loss)


def build(victim: "Victim", classes: int, size: int, seed: int) -> nn.Module:
    """The victim's network, from its module in tasks/evaluate/victims, named after its kind."""
    module = importlib.import_module(f"tasks.evaluate.victims.{victim.kind.replace('-', '_')}")
    return module.build(victim, classes, size, seed)


def prepare(countermeasure: "Countermeasure", images: Tensor) -> Tensor:
    """Training pictures uint8 [N, S, S, 3] after a countermeasure, which is told nothing of how they were made."""
    module = importlib.import_module(f"tasks.evaluate.countermeasures.{countermeasure.kind.replace('-', '_')}")
    return module.prepare(countermeasure, images)


def run(
    victim: "Victim",
    countermeasure: "Countermeasure",
    training: "Pictures",
    test: "Pictures",
    seed: int,
    on_epoch: Callable[[Point], None],
) -> Result:
    """Train a victim on `training` after a countermeasure and test it, each epoch, on clean pictures as they are.

    Both sets lie on one device. The same seed on the same kind of device gives the same result.
    """
    started = time.perf_counter()
    classes, size = len(training.classes), training.images.shape[1]
    model = build(victim, classes, size, seed).to(training.images.device)
    images = prepare(countermeasure, training.images)
    change = augment.of(victim.recipe)
    curve: list[Point] = []
    answers = torch.zeros_like(test.labels)
    for epoch in train.train(model, images, training.labels, victim.recipe, change, seed):
        answers = train.predict(model, test.images)
        accuracy = 100 * float((answers == test.labels).float().mean())
        curve.append(Point(epoch.epoch, epoch.loss, epoch.train_accuracy, accuracy))
        on_epoch(curve[-1])
    return Result(tuple(curve), _confusion(test.labels, answers, classes), time.perf_counter() - started)


def _confusion(truth: Tensor, answers: Tensor, classes: int) -> tuple[tuple[int, ...], ...]:
    counts = torch.bincount(truth.cpu() * classes + answers.cpu(), minlength=classes * classes)
    return tuple(tuple(row) for row in counts.view(classes, classes).tolist())
