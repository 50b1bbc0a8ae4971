"""Evaluation: victims, countermeasures, and the row that one training run leaves."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Schema, Stored
from schemas.dataset import SourceSpec
from schemas.protect import DeviceName


class Recipe(Schema):
    """How a victim is trained. Defaults: the paper's recipe for CIFAR-10 (section 4, appendix A)."""

    epochs: int = Field(default=60, ge=1, description="Passes over the training pictures.")
    batch_size: int = Field(default=128, ge=2, description="Pictures a batch.")
    lr: float = Field(default=0.025, gt=0, description="Peak learning rate of SGD.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of SGD.")
    nesterov: bool = Field(default=False, description="Nesterov momentum.")
    weight_decay: float = Field(default=5e-4, ge=0, description="Weight decay.")
    clip: float = Field(default=5.0, gt=0, description="Gradient norm at which the gradient is clipped.")
    schedule: Literal["cosine", "one-cycle", "constant"] = Field(
        default="cosine", description="Learning rate over time: cosine to 0 by epoch, one-cycle by step, or constant."
    )
    crop_padding: int = Field(
        default=4, ge=0, le=64, description="Random crop after padding by so many pixels; 0: none."
    )
    flip: bool = Field(default=True, description="Random horizontal flip.")
    size: int | None = Field(
        default=None,
        ge=8,
        le=1024,
        description="Side in pixels at which the victim sees pictures; None: the most "
        "common side of the clean training pictures.",
    )


class TinyRecipe(Recipe):
    """The same fields with the small net's defaults: it needs a short, steep schedule, and no augmentation."""

    epochs: int = Field(default=12, ge=1, description="Passes over the training pictures.")
    batch_size: int = Field(default=64, ge=2, description="Pictures a batch.")
    lr: float = Field(default=0.1, gt=0, description="Peak learning rate of SGD.")
    nesterov: bool = Field(default=True, description="Nesterov momentum.")
    schedule: Literal["cosine", "one-cycle", "constant"] = Field(
        default="one-cycle",
        description="Learning rate over time: cosine to 0 by epoch, one-cycle by step, or constant.",
    )
    crop_padding: int = Field(
        default=0, ge=0, le=64, description="Random crop after padding by so many pixels; 0: none."
    )
    flip: bool = Field(default=False, description="Random horizontal flip.")


class TinyVictim(Schema):
    """A net of six 3x3 convolutions: for quick looks, on a CPU."""

    kind: Literal["tiny"] = "tiny"
    widths: tuple[int, int, int, int] = Field(default=(32, 64, 128, 128), description="Channels of its four stages.")
    recipe: TinyRecipe = TinyRecipe()


class ResNet18Victim(Schema):
    """ResNet-18: its CIFAR form below 64 pixels, torchvision's from 64: the number of record."""

    kind: Literal["resnet18"] = "resnet18"
    recipe: Recipe = Recipe()


Victim = Annotated[TinyVictim | ResNet18Victim, Field(discriminator="kind")]


class NoCountermeasure(Schema):
    """The pictures as they are."""

    kind: Literal["none"] = "none"

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return "none"


class Grayscale(Schema):
    """The training pictures turned gray (luma of ITU-R 601), in three equal channels."""

    kind: Literal["grayscale"] = "grayscale"

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return "grayscale"


class Jpeg(Schema):
    """The training pictures through JPEG at a quality, as a host that re-encodes them does."""

    kind: Literal["jpeg"] = "jpeg"
    quality: int = Field(default=10, ge=1, le=100, description="libjpeg's quality, 1 to 100.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return f"jpeg-{self.quality}"


Countermeasure = Annotated[NoCountermeasure | Grayscale | Jpeg, Field(discriminator="kind")]


class EvaluateConfig(Schema):
    """Everything that shapes an evaluation."""

    protected: tuple[str, ...] = Field(
        min_length=1, description="Destinations of protect runs, all made from the same source: the protected shards."
    )
    clean: SourceSpec = Field(description="The source that they were made from: gives the clean baseline.")
    test: SourceSpec = Field(description="Clean pictures to test on; never seen in training.")
    workspace: str = Field(min_length=1, description="Private place; the report goes to WORKSPACE/reports/.")
    victims: tuple[Victim, ...] = Field(default=(TinyVictim(),), min_length=1, description="Networks to train.")
    countermeasures: tuple[Countermeasure, ...] = Field(
        default=(NoCountermeasure(),), min_length=1, description="What is done to the training pictures first."
    )
    seeds: int = Field(default=3, ge=1, le=100, description="Runs of each cell, seeded 0, 1, 2, ...")
    device: DeviceName = Field(default="auto", description="Where tensors live; auto takes the GPU when there is one.")


class EpochPoint(Schema):
    """One epoch of a victim's training."""

    epoch: int = Field(ge=1)
    loss: float = Field(description="Mean training loss, in nats.")
    train_accuracy: float = Field(description="Accuracy on the training pictures as seen in the epoch, percent.")
    test_accuracy: float = Field(description="Accuracy on clean test pictures, percent.")


class VictimRun(Stored):
    """One training run: one row of the frame. Its file is the done-marker of the run."""

    inputs: str = Field(description="Digest of the data, the victim, the countermeasure, the seed and the version.")
    dataset: str = Field(description="Name of the dataset.")
    method: str = Field(description="Kind of the noise; none for the clean baseline.")
    form: str = Field(description="class-wise, sample-wise, or none for the clean baseline.")
    epsilon: int = Field(ge=0, description="Budget in steps of 1/255; 0 for the clean baseline.")
    fraction: float = Field(description="Share of the samples that carry noise, 0 to 1.")
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
    confusion: tuple[tuple[int, ...], ...] = Field(description="Test pictures by true class (row) and answer (column).")
    device: str
    precision: str
    diverged: bool = Field(default=False, description="True when the loss stopped being a number.")


class ReportRecord(Stored):
    """What a report was made of and where it lies: report.json, written last."""

    report: str = Field(description="URL of report.html.")
    rows: int = Field(description="Rows of the frame.")
    created: str = Field(description="When, in UTC, ISO 8601.")
    verdict: str = Field(description="The report's first sentence.")


class Evaluation(Schema):
    """What an evaluate run gives: its rows and the report drawn from them."""

    runs: tuple[VictimRun, ...]
    report: ReportRecord
