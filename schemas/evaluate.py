"""Evaluation: what is asked of one, and the row that one training run leaves."""

from typing import Literal

from pydantic import Field, model_validator

from schemas.base import Schema, Stored
from schemas.countermeasures import Countermeasure, NoCountermeasure
from schemas.dataset import SourceSpec
from schemas.place import Place
from schemas.protect import DeviceName
from schemas.runner import Runner, ThreadsRunner, require_device, require_shared
from schemas.victims import TinyVictim, Victim

Judgement = Literal["holds", "partly", "undone", "unknown"]
Part = Literal["all", "protected", "clean"]


class Pairs(Schema):
    """Pairs of faces to be told apart or recognised as one person's: the verification test."""

    file: Place = Field(
        description="Tab-separated file with the columns key_a, key_b (sample keys) and same (1 or 0), a pair a line.",
    )
    pictures: SourceSpec = Field(description="Clean pictures that the keys are found in; their labels don't matter.")


class Beside(Schema):
    """Another, clean dataset whose classes a victim learns together with those of a copy."""

    train: SourceSpec = Field(description="Its training pictures.")
    test: SourceSpec = Field(description="Its test pictures.")
    classes: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Classes of the copy that are trained on beside it; None: all."
    )


class EvaluateConfig(Schema):
    """Everything that shapes an evaluation."""

    protected: tuple[Place, ...] = Field(
        min_length=1, description="Destinations of protect runs, all made from the same source: the protected shards."
    )
    clean: SourceSpec = Field(description="The source that they were made from: gives the clean baseline.")
    test: SourceSpec = Field(description="Clean pictures to test on; never seen in training.")
    workspace: Place = Field(description="Private place; the report goes to WORKSPACE/reports/.")
    victims: tuple[Victim, ...] = Field(default=(TinyVictim(),), min_length=1, description="Networks to train.")
    countermeasures: tuple[Countermeasure, ...] = Field(
        default=(NoCountermeasure(),),
        min_length=1,
        description="What is done to the training pictures, to each batch or to the training.",
    )
    parts: tuple[Part, ...] = Field(
        default=("all",),
        min_length=1,
        description="What of a partly protected copy is trained on: all of it, the protected pictures alone, or the "
        "clean ones alone. A part that a copy lacks is left out.",
    )
    beside: Beside | None = Field(default=None, description="A clean dataset that is learnt together with each copy.")
    pairs: Pairs | None = Field(default=None, description="Pairs of faces to verify with each victim's embeddings.")
    backdoor: bool = Field(
        default=False,
        description="Also lay each class-wise copy's noise on clean test pictures, as a trigger, and see whether "
        "victims answer with its class.",
    )
    seeds: int = Field(default=3, ge=1, le=100, description="Runs of each cell, seeded 0, 1, 2, ...")
    device: DeviceName = Field(default="auto", description="Where tensors live; auto takes the GPU when there is one.")
    runner: Runner = Field(default=ThreadsRunner(), description="Where copies are audited and victims trained.")
    memory: Literal["auto", "resident", "streamed"] = Field(
        default="auto",
        description="Whether training pictures lie in memory as uint8 or are read from their shards anew each epoch; "
        "auto: in memory where they fit.",
    )

    @property
    def copies(self) -> str:
        """The copies as one text, for the name of a run."""
        return ", ".join(self.protected)

    @model_validator(mode="after")
    def _tasks_find_all_they_need(self) -> "EvaluateConfig":
        sets = [self.clean, self.test]
        sets += [] if self.beside is None else [self.beside.train, self.beside.test]
        sets += [] if self.pairs is None else [self.pairs.pictures]
        files = [getattr(victim, "weights", None) for victim in self.victims]
        files += [] if self.pairs is None else [self.pairs.file]
        require_shared(self.runner, [*self.protected, self.workspace, *(each.url for each in sets), *files])
        require_device(self.runner, self.device)
        return self


class EpochPoint(Schema):
    """One epoch of a victim's training."""

    epoch: int = Field(ge=1)
    loss: float = Field(description="Mean training loss, in nats.")
    train_accuracy: float = Field(description="Accuracy on the training pictures as seen in the epoch, percent.")
    test_accuracy: float = Field(description="Accuracy on clean test pictures, percent.")


class Verification(Schema):
    """How well a victim's embeddings tell people apart: cosine similarity on pairs."""

    pairs: int = Field(ge=1, description="Pairs that were compared.")
    same: int = Field(ge=0, description="Pairs of one person.")
    auc: float = Field(description="Area under the ROC curve, 0 to 1; .5 is guessing.")
    tar_at_far: tuple[tuple[float, float], ...] = Field(
        description="Share of false acceptances allowed, and share of true pairs then accepted, both 0 to 1."
    )
    roc: tuple[tuple[float, float], ...] = Field(description="False and true acceptance rate, 0 to 1, along the curve.")


class Backdoor(Schema):
    """Class-wise noise of a copy as a trigger on clean test pictures (Huang et al. 2021, figure 8)."""

    trigger: str = Field(description="The copy whose noise was laid on, as its caption.")
    pictures: int = Field(ge=0, description="Test pictures that got the noise of a class other than their own.")
    success: float = Field(description="Share of them that the victim took for that class, percent.")


class VictimRun(Stored):
    """One training run: one row of the frame. Its file is the done-marker of the run."""

    inputs: str = Field(description="Digest of the data, the victim, the countermeasure, the seed and the version.")
    dataset: str = Field(description="Name of the dataset.")
    method: str = Field(description="Kind of the noise; none for the clean baseline.")
    form: str = Field(description="class-wise, sample-wise, or none for the clean baseline.")
    epsilon: int = Field(ge=0, description="Budget in steps of 1/255; 0 for the clean baseline.")
    fraction: float = Field(description="Share of the samples that carry noise, 0 to 1.")
    variant: str = Field(default="", description="What sets the noise apart from the method's standard; empty: none.")
    part: Part = Field(default="all", description="What of the copy was trained on.")
    victim: str
    countermeasure: str
    seed: int
    test_accuracy: float = Field(description="Clean test accuracy of the last epoch, percent.")
    peak_test_accuracy: float = Field(description="Highest clean test accuracy of any epoch, percent.")
    train_accuracy: float = Field(description="Training accuracy of the last epoch, percent.")
    epochs: int
    seconds: float = Field(description="Time the run took, in seconds.")
    samples: int = Field(description="Training pictures.")
    test_samples: int = Field(description="Test pictures.")
    classes: tuple[str, ...] = Field(description="Class names by index.")
    curve: tuple[EpochPoint, ...]
    confusion: tuple[tuple[int, ...], ...] = Field(
        description="Test pictures by true class (row) and answer (column); empty above 200 classes."
    )
    peak_confusion: tuple[tuple[int, ...], ...] = Field(default=(), description="The same after the best epoch.")
    per_class: tuple[tuple[int, int], ...] = Field(
        default=(), description="Right answers and test pictures, by class; empty in records from before it was kept."
    )
    peak_per_class: tuple[tuple[int, int], ...] = Field(default=(), description="The same after the best epoch.")
    verification: Verification | None = Field(default=None, description="With pairs of faces only.")
    backdoor: tuple[Backdoor, ...] = Field(default=(), description="With a backdoor test only: a trigger each.")
    device: str
    precision: str
    diverged: bool = Field(default=False, description="True when the loss stopped being a number.")


class Judged(Schema):
    """What a report's verdict on one copy stands on: the victim and countermeasure that keep the least protection."""

    dataset: str
    trained_on: str = Field(description="The copy, by name.")
    victim: str
    countermeasure: str
    reached: float = Field(description="Mean clean test accuracy over seeds, percent.")
    ceiling: float | None = Field(description="The clean ceiling beside it, percent; None: not run.")
    kept: float | None = Field(description="Share of the protection kept, at most 1; None: not known.")
    judgement: Judgement = Field(description="What that amounts to.")


class ReportRecord(Stored):
    """What a report was made of and where it lies: report.json, written last."""

    report: str = Field(description="URL of report.html.")
    rows: int = Field(description="Rows of the frame.")
    created: str = Field(description="When, in UTC, ISO 8601.")
    verdict: str = Field(description="The report's first sentence.")
    title: str = Field(default="", description="What was evaluated.")
    judged: tuple[Judged, ...] = Field(default=(), description="The worst case of each copy; empty: none was judged.")


class Evaluation(Schema):
    """What an evaluate run gives: its rows and the report drawn from them."""

    runs: tuple[VictimRun, ...]
    report: ReportRecord
