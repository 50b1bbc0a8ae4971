"""What a report is drawn from, besides the runs themselves."""

from typing import Literal

from pydantic import Field, JsonValue

from schemas.base import Schema, Stored


class ProtectedSet(Schema):
    """One protected copy of a dataset, measured on its stored bytes against the originals."""

    method: str = Field(description="Kind of the noise.")
    form: str = Field(description="class-wise or sample-wise.")
    norm: Literal["linf", "l2"] = Field(description="The norm that is bounded.")
    epsilon: int = Field(description="Budget in steps of 1/255.")
    fraction: float = Field(description="Share of the samples that was to be protected.")
    variant: str = Field(default="", description="What sets this noise apart from the method's standard; empty: none.")
    samples: int = Field(description="Samples in it.")
    changed: int = Field(description="Samples whose stored picture differs from the original.")
    max_abs_change: int = Field(description="L-inf: largest change of a stored value, in steps of 1/255.")
    max_l2: float = Field(description="Largest L2 norm of a picture's change, in steps of 1/255.")
    mean_l2: float | None = Field(
        description="Mean L2 norm of a changed picture's change, values in 0 to 1; None if nothing changed."
    )
    psnr: float | None = Field(
        description="Peak signal-to-noise ratio over the changed pictures, in dB; None if nothing changed."
    )
    ssim: float | None = Field(
        default=None,
        description="Mean structural similarity, at most 1, over at most 1,000 of the changed pictures, drawn evenly. "
        "Its window has a side of 11 pixels, or the largest odd one that fits. None: not measured, or nothing changed.",
    )
    noise_error: float | None = Field(default=None, description="Error rate at which the fit was kept, if known.")
    converged: bool | None = Field(default=None, description="False when the fit ended above lambda; None: not known.")
    destination: str = Field(default="", description="Where it lies.")
    protected: int | None = Field(default=None, description="Samples that carry noise, by its manifest.")
    classes: tuple[str, ...] | None = Field(default=None, description="Classes that were to be protected; None: all.")
    shards: int | None = Field(default=None, description="Shards of it.")
    size: int | None = Field(default=None, description="Bytes of all shards.")
    quarantined: int | None = Field(default=None, description="Samples of the source that were not fit to protect.")
    reasons: dict[str, int] = Field(
        default_factory=dict,
        description="How many of them for which reason; empty where the list is in another workspace.",
    )
    orphans: int = Field(default=0, description="Shards of it whose source is gone.")
    digest: str = Field(default="", description="Digest of the stored bytes and their labels.")
    software: str = Field(default="", description="Version that wrote the shards.")


class ReportContext(Schema):
    """What stands around the numbers of a report."""

    title: str = Field(description="What was evaluated, such as the dataset's name.")
    protected: tuple[ProtectedSet, ...] = Field(description="The protected copies that were evaluated.")
    settings: dict[str, JsonValue] = Field(description="Configuration, as it was asked for.")
    versions: dict[str, str] = Field(description="Software versions by name.")
    seconds: float = Field(ge=0, description="Time the evaluation took, in seconds.")
    notes: tuple[str, ...] = Field(default=(), description="What the reader has to know besides, a sentence each.")


class ShownPicture(Schema):
    """A picture of a report that no table holds: its file under figures/, and what is said of it."""

    name: str = Field(description="File name.")
    caption: str = Field(description="What stands below it.")
    alt: str = Field(description="What is said to those who can't see it.")
    width: int | None = Field(description="Width to show it at, in CSS pixels; None: its own.")


class StoredContext(Stored):
    """All that a report says and its tables don't hold: context.json."""

    context: ReportContext
    covered: dict[str, tuple[str, ...]] = Field(
        description="Classes that were to be protected, by the name of a copy; all of them where a copy is not named."
    )
    classes: dict[str, tuple[str, ...]] = Field(description="Class names in their order, by dataset.")
    grids: tuple[ShownPicture, ...] = Field(description="The grids of pictures.")
    created: str = Field(description="When the report was written, in UTC, ISO 8601.")
