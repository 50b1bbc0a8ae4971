"""Experiments: the cells of the paper's tables and figures, declared so that one flow can run any of them.

Numbers are those of Huang et al., "Unlearnable Examples", ICLR 2021 (arXiv 2101.04898).
"""

from typing import Literal

from pydantic import Field, model_validator

from schemas.base import Schema, Stored
from schemas.countermeasures import Countermeasure, NoCountermeasure
from schemas.evaluate import Part
from schemas.noise import Application, NoiseBudget, NoiseMethod
from schemas.place import Place
from schemas.protect import DeviceName
from schemas.victims import Victim

DatasetName = Literal["cifar10", "cifar100", "svhn", "imagenet100", "imagenet32", "webface", "celeba100", "face-pairs"]
Scale = Literal["full", "small"]
# Some classes by name, or the first so many of the dataset's.
Classes = tuple[str, ...] | int
Measured = Literal["accuracy", "peak", "auc", "tar", "backdoor", "cost"]
Drawing = Literal["table", "curves", "confusion", "lines", "roc"]


class Noise(Schema):
    """The noise of an experiment, and where it is made."""

    method: NoiseMethod
    budget: NoiseBudget = NoiseBudget()
    application: Application = Application()
    fraction: float = Field(default=1.0, gt=0, le=1, description="Share of the samples that carry it.")
    classes: Classes | None = Field(default=None, description="Classes that carry it; None: all.")
    public: DatasetName | None = Field(default=None, description="Public dataset that it is made on; None: the data.")
    context: bool = Field(default=False, description="Made on the covered classes and the public ones together.")
    mapping: dict[str, str] | None = Field(default=None, description="Private class to public class.")


class Experiment(Schema):
    """One number of a table or figure."""

    dataset: DatasetName
    row: str = Field(description="Where it stands in the table: its row.")
    column: str = Field(description="And its column.")
    noise: Noise | None = Field(default=None, description="None: the clean training pictures.")
    part: Part = Field(default="all", description="What of a partly protected copy is trained on.")
    victim: Victim
    countermeasure: Countermeasure = NoCountermeasure()
    beside: DatasetName | None = Field(default=None, description="Another dataset, clean, that is learnt together.")
    beside_classes: tuple[str, ...] | None = Field(default=None, description="Classes of the first that are then kept.")
    measured: Measured = Field(
        default="accuracy",
        description="accuracy on clean test pictures, percent, and peak, that of the best epoch; auc and tar (at a "
        "false acceptance rate of .01) of face verification, 0 to 1; backdoor: success of the noise as a trigger, "
        "percent; cost: time to make the noise, in percent of a training run.",
    )
    classes: Classes | None = Field(default=None, description="accuracy on these classes alone; None: on all.")
    others: bool = Field(default=False, description="accuracy on all classes but these.")
    trigger: Noise | None = Field(default=None, description="backdoor, of a clean victim: the noise that is laid on.")
    paper: float | None = Field(default=None, description="The paper's number; None: it gives none to the point.")

    @model_validator(mode="after")
    def _others_than_what(self) -> "Experiment":
        if self.others and self.classes is None:
            raise ValueError("others needs classes")
        return self


class PaperResult(Schema):
    """A table or a figure of the paper."""

    name: str = Field(pattern=r"^[a-z]+[0-9]*[a-z]?$", description="What `reproduce` knows it by, such as table1.")
    title: str = Field(description="What it shows, in a line.")
    finding: str = Field(description="What the paper finds.")
    drawing: Drawing = "table"
    across: str = Field(default="", description="What the columns of a drawing of lines count, with its unit.")
    experiments: tuple[Experiment, ...] = Field(min_length=1)


class ReproduceConfig(Schema):
    """Everything that shapes a reproduction."""

    experiments: tuple[str, ...] = Field(min_length=1, description="Names of tables and figures, or `all`.")
    workspace: Place = Field(description="Private place: noise, copies, runs, and the results.")
    data: dict[DatasetName, Place] = Field(
        default={}, description="Where datasets lie: URL by name. CIFAR and SVHN are torchvision's where none is given."
    )
    data_folder: Place | None = Field(
        default=None, description="Folder or bucket that holds a dataset in a subfolder of its name."
    )
    datasets: tuple[DatasetName, ...] | None = Field(default=None, min_length=1, description="These alone; None: all.")
    victims: tuple[str, ...] | None = Field(default=None, min_length=1, description="Kinds; these alone; None: all.")
    seeds: int = Field(default=3, ge=1, le=100, description="Runs of each cell, seeded 0, 1, 2, ...")
    noise_seed: int = Field(
        default=0,
        ge=0,
        description="What all noise is drawn from: equal seeds give equal noise on equal kinds of device. It is no "
        "secret, so nothing made here protects anything.",
    )
    scale: Scale = Field(
        default="full",
        description="full: the paper's data, noise and recipes. small: the same experiments on a few thousand pictures "
        "with small nets, for two CPU cores; labelled so everywhere.",
    )
    device: DeviceName = Field(default="auto", description="Where tensors live; auto takes the GPU when there is one.")
    workers: int = Field(default=2, ge=1, le=256, description="Shards worked on at a time.")


class Outcome(Schema):
    """One number of the paper and ours beside it."""

    dataset: str
    row: str
    column: str
    victim: str
    measured: Measured
    paper: float | None
    values: tuple[float, ...] = Field(description="Ours, a seed each; runs that diverged are left out.")
    diverged: int = Field(default=0, description="Runs that diverged.")
    noise_error: float | None = Field(default=None, description="Error rate at which the noise's fit was kept.")
    converged: bool | None = Field(default=None, description="False when that fit fell short; None: no fit.")


class DataUsed(Schema):
    """What stood for a dataset of the paper."""

    name: DatasetName
    source: str = Field(description="Its own name: the last part of where it lies.")
    use: Literal["victims", "noise", "pairs"] = Field(
        default="victims", description="Whether victims learnt it, noise was made on it, or its pairs were verified."
    )
    classes: int | None = Field(default=None, description="Its classes; None where they don't matter: of pairs.")
    kept: tuple[str, ...] | None = Field(default=None, description="Classes that alone were learnt; None: all.")
    train: int = Field(default=0, description="Training pictures that victims learnt.")
    test: int = Field(default=0, description="Test pictures that they were tested on.")


class ResultRecord(Stored):
    """result.json of a table or figure, written last: what came out, how, and how long it took."""

    name: str
    title: str
    finding: str
    scale: Scale
    command: str = Field(description="The command that makes it again.")
    data: tuple[DataUsed, ...] = Field(description="What stood for the datasets.")
    outcomes: tuple[Outcome, ...]
    seconds: float = Field(ge=0, description="Time this run of it took, in seconds; what was there already took none.")
    device: str
    versions: dict[str, str]
    files: tuple[str, ...] = Field(description="Tables and figures beside it.")


class Reproduced(Schema):
    """What a reproduce run gives: a record for each table and figure, in order."""

    results: tuple[ResultRecord, ...]
    folder: str = Field(description="Where they lie.")
