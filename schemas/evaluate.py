"""Evaluation: victims, countermeasures, and the row that one training run leaves."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Schema, Stored
from schemas.dataset import SourceSpec
from schemas.protect import DeviceName
from schemas.recipe import Recipe, TinyRecipe

TINY_WIDTHS = (32, 64, 128, 128)
RESNET18_WIDTH = 64


class TinyVictim(Schema):
    """A net of six 3x3 convolutions: for quick looks, on a CPU."""

    kind: Literal["tiny"] = "tiny"
    widths: tuple[int, int, int, int] = Field(default=TINY_WIDTHS, description="Channels of its four stages.")
    recipe: TinyRecipe = TinyRecipe()

    @property
    def name(self) -> str:
        """Its name in reports: it tells widths that are not its own."""
        return "tiny" if self.widths == TINY_WIDTHS else f"tiny-w{'-'.join(map(str, self.widths))}"


class ResNet18Victim(Schema):
    """ResNet-18: its CIFAR form below 64 pixels, torchvision's from 64: the number of record."""

    kind: Literal["resnet18"] = "resnet18"
    width: int = Field(
        default=RESNET18_WIDTH,
        ge=8,
        le=128,
        description="Channels of the first stage; each of the other three has twice as many as the one before. "
        "Fewer than 64 make a narrow net, for small machines: no number of record.",
    )
    recipe: Recipe = Recipe()

    @property
    def name(self) -> str:
        """Its name in reports: it tells a width that is not ResNet-18's own."""
        return "resnet18" if self.width == RESNET18_WIDTH else f"resnet18-w{self.width}"


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
    variant: str = Field(default="", description="What sets the noise apart from the method's standard; empty: none.")
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
