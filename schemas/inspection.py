"""What is in a shard, and what a job's markers say of it."""

from pydantic import Field

from schemas.base import Schema
from schemas.dataset import SizeRange


class ShardProblem(Schema):
    """Something that is wrong with a shard or with a sample of it."""

    position: int | None = Field(description="The sample's place in the shard, from 0; None: the shard as a whole.")
    key: str = Field(description="The sample's key, control characters escaped; empty for the shard as a whole.")
    reason: str = Field(description="What is wrong, in a sentence.")


class ListedSample(Schema):
    """One sample of a shard."""

    position: int = Field(ge=0, description="Its place in the shard, from 0.")
    key: str = Field(description="Its key, control characters escaped.")
    label: str | None = Field(description="Its label as written; None when it has none.")
    width: int | None = Field(description="Width of its picture in pixels, once turned; None when it has no sound one.")
    height: int | None = Field(description="Height of its picture in pixels, once turned.")
    bytes: int = Field(ge=0, description="Size of all its members.")
    members: tuple[str, ...] = Field(description="Extensions of its members, in their order.")


class KnownShard(Schema):
    """What a job's markers say of a shard."""

    part: str = Field(description="What the shard is to the job: dataset, public or protected.")
    marker: str = Field(description="The marker that says so, relative to the workspace.")
    samples: int = Field(ge=0, description="Good samples in it.")
    protected: int | None = Field(description="Samples in it that carry noise; None for a shard of a source.")
    as_recorded: bool = Field(description="True when the stored bytes are the recorded ones, by size and SHA-256.")
    quarantined: tuple[ShardProblem, ...] = Field(description="What of it, or of the shard it was made from, is bad.")


class ShardReport(Schema):
    """What is in a shard: the object that `inspect --json` prints."""

    ok: bool = Field(description="True when nothing is wrong with it.")
    url: str
    bytes: int = Field(ge=0, description="Size of the stored object.")
    sha256: str = Field(description="SHA-256 of the stored object.")
    samples: int = Field(ge=0, description="Samples in it, good and bad.")
    good: int = Field(ge=0, description="Samples with a label and a picture that decodes in full.")
    class_counts: dict[str, int] = Field(description="Good samples by label, as the label is written.")
    members: dict[str, int] = Field(description="Members by extension, of all samples.")
    pictures: dict[str, int] = Field(description="Good samples by format and mode of their picture, as PNG RGB.")
    sizes: SizeRange | None = Field(description="Range of picture sizes; None when there is no good sample.")
    problems: tuple[ShardProblem, ...]
    listed: tuple[ListedSample, ...] = Field(default=(), description="The first samples, as many as were asked for.")
    known: tuple[KnownShard, ...] | None = Field(
        default=None, description="What the markers of a workspace say of it; None when no workspace was given."
    )
