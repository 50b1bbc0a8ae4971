"""One victim trained and tested: the unit of every claim that a report makes."""

import importlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from torch import Tensor, nn

from tasks.evaluate import tally
from tasks.evaluate.tally import Confusion, PerClass
from tasks.evaluate.treatment import Treatment
from tasks.nn import augment, train
from tasks.nn.batches import Batches

if TYPE_CHECKING:
    from infra.checkpoint import State
    from schemas.victims import Victim

VERSION = 2


@dataclass(frozen=True)
class Point:
    """One epoch: mean loss in nats; accuracies in percent on the training pictures as seen and on clean ones."""

    epoch: int
    loss: float
    train_accuracy: float
    test_accuracy: float


@dataclass(frozen=True)
class Examination:
    """Clean test pictures uint8 [N, S, S, 3], as they are, their classes int64 [N], and how many classes there are."""

    images: Tensor
    labels: Tensor
    classes: int


@dataclass(frozen=True)
class Result:
    """A finished run: its epochs, the network, and its answers after the last epoch and after the best (`peak_`).

    `confusion` has test pictures by true class (row) and answer (column), and is empty above tally.MOST classes;
    `per_class` has right answers and test pictures by class, always.
    """

    curve: tuple[Point, ...]
    confusion: Confusion
    peak_confusion: Confusion
    per_class: PerClass
    peak_per_class: PerClass
    seconds: float
    model: nn.Module

    @property
    def diverged(self) -> bool:
        """True when the loss stopped being a number."""
        return not math.isfinite(self.curve[-1].loss)


class Kept(Protocol):
    """Where a run's state is kept after an epoch, and found again by a run that goes on."""

    def due(self) -> bool:
        """True when a state should be kept now."""
        ...

    def save(self, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
        """Keep a state; it replaces the one before."""
        ...

    def load(self) -> "State | None":
        """The state that was kept last, if any."""
        ...


class VictimModule(Protocol):
    """What a module in tasks/evaluate/victims offers."""

    def build(self, victim: "Victim", classes: int, size: int, seed: int) -> nn.Module:
        """A network for float [N, 3, S, S] in [0, 1], initialised by `seed`, that gives logits [N, classes]."""
        ...

    def smallest(self, victim: "Victim") -> int:
        """The smallest side in pixels of pictures that the network takes."""
        ...


def module_of(victim: "Victim") -> VictimModule:
    """The module of a victim's kind. Raises ModuleNotFoundError when there is none."""
    name = victim.kind.replace("-", "_")
    return cast(VictimModule, importlib.import_module(f"tasks.evaluate.victims.{name}"))


def build(victim: "Victim", classes: int, size: int, seed: int) -> nn.Module:
    """The victim's network, from its module."""
    return module_of(victim).build(victim, classes, size, seed)


def run(
    victim: "Victim",
    treatment: Treatment,
    training: Batches,
    test: Examination,
    seed: int,
    on_epoch: Callable[[Point], None],
    kept: Kept | None = None,
) -> Result:
    """Train a victim on `training` and test it, each epoch, on clean pictures as they are.

    All pictures come to one device. Of a countermeasure only what it does to each batch is seen to here; `training`
    has gone through the rest. The same seed on the same kind of device gives the same result, also when the run goes on
    from what was `kept` of one that was stopped.
    """
    model = build(victim, test.classes, test.images.shape[1], seed).to(test.images.device)
    changes = [augment.of(victim.recipe), *([treatment.change] if treatment.change else [])]
    training_run = train.Training(model, training, victim.recipe, train.chain(*changes), seed)
    story = _Story(test)
    if kept:
        story.go_on(training_run, kept.load())
    started = time.perf_counter()
    before = story.seconds
    for epoch in training_run.epochs():
        story.add(epoch, train.predict(model, test.images))
        story.seconds = before + time.perf_counter() - started
        on_epoch(story.curve[-1])
        # A run that fell apart is at its end: gone on with, it would have more epochs than one that was never stopped.
        if kept and epoch.epoch < victim.recipe.epochs and math.isfinite(epoch.loss) and kept.due():
            kept.save(training_run.state(), story.notes())
    return story.result(model)


class _Story:
    """What a run has come to so far."""

    def __init__(self, test: Examination):
        self._test = test
        self.curve: list[Point] = []
        self.seconds = 0.0
        nothing = test.labels[:0]
        self._last = self._peak = tally.count(nothing, nothing, test.classes)

    def add(self, epoch: train.Epoch, answers: Tensor) -> None:
        accuracy = 100 * float((answers == self._test.labels).float().mean())
        best = max((point.test_accuracy for point in self.curve), default=-1.0)
        self.curve.append(Point(epoch.epoch, epoch.loss, epoch.train_accuracy, accuracy))
        self._last = tally.count(self._test.labels, answers, self._test.classes)
        if accuracy > best:
            self._peak = self._last

    def result(self, model: nn.Module) -> Result:
        return Result(
            curve=tuple(self.curve),
            confusion=self._last.confusion(),
            peak_confusion=self._peak.confusion(),
            per_class=self._last.per_class(),
            peak_per_class=self._peak.per_class(),
            seconds=self.seconds,
            model=model,
        )

    def notes(self) -> dict[str, Any]:
        return {
            "curve": [asdict(point) for point in self.curve],
            "last": self._last.notes(),
            "peak": self._peak.notes(),
            "seconds": self.seconds,
        }

    def go_on(self, training: train.Training, state: "State | None") -> None:
        """Take up both where a state stood; one that is not of such a run counts for nothing."""
        # Those that an earlier version kept lack what is counted now.
        if state is None or not {"last", "peak"} <= state[1].keys() or not training.restore(state[0]):
            return
        notes = state[1]
        self.curve = [Point(**point) for point in notes["curve"]]
        self._last, self._peak = tally.from_notes(notes["last"]), tally.from_notes(notes["peak"])
        self.seconds = notes["seconds"]
