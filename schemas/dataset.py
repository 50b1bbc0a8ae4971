"""Datasets: where they come from, the shards they lie in, and what was wrong with them."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from schemas.base import Schema, Stored, digest
from schemas.place import Place

SourceFormat = Literal["auto", "folder", "webdataset", "parquet", "torchvision", "digits"]

# They stand in the code of a published card: there they must end no text and no line.
_FIELD = r"^[^\"'`\\\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
_NO_FILE = re.compile(r"^$|^\.|[/\\\x00-\x1f\x7f-\x9f]")


def _of_a_file(name: str) -> str:
    # Markers and protected shards are written by it.
    if _NO_FILE.search(name):
        raise ValueError("a shard's name is that of a file: no slash, no control character, no dot in front")
    return name


ShardName = Annotated[str, AfterValidator(_of_a_file)]


class SourceSpec(Schema):
    """A dataset as a user names it."""

    url: Place = Field(
        description="fsspec URL or path of a folder, of shards (a glob is fine) or of Parquet files; "
        "`digits` for the embedded set; `torchvision://NAME` for a torchvision dataset.",
    )
    split: str = Field(
        default="train", pattern=r"^[A-Za-z0-9_-]{1,32}$", description="The split to take, such as train or test."
    )
    format: SourceFormat = Field(default="auto", description="How the dataset is laid out; auto looks and tells.")
    label_field: str | None = Field(
        default=None,
        min_length=1,
        pattern=_FIELD,
        description="Where the label is: a member such as `cls`, a field of the sample's json, or a Parquet "
        "column. Default: `cls`, else the json's `label`; in Parquet `label`.",
    )
    image_field: str | None = Field(
        default=None,
        min_length=1,
        pattern=_FIELD,
        description="Which member or Parquet column is the picture. Default: the only picture; in Parquet `image`.",
    )
    limit: int | None = Field(default=None, ge=1, description="Take the first so many samples only.")
    shard_size: int = Field(
        default=1000, ge=1, le=100_000, description="Samples a shard, where shards have to be written."
    )
    max_pixels: int = Field(
        default=89_478_485,
        ge=1,
        description="A picture that declares more pixels than this is never decoded (decompression bomb).",
    )
    max_shard_bytes: int = Field(
        default=4 << 30, ge=1024, description="A shard that unpacks to more bytes than this is refused."
    )
    max_bad_share: float = Field(
        default=0.1, ge=0, le=1, description="The job stops when more than this share of the samples is bad."
    )


class ShardUnit(Schema):
    """One piece of a source that becomes (or already is) one shard: the work of one task."""

    name: ShardName = Field(description="Name of the shard, such as train-000000.tar.")
    url: str = Field(description="Where the shard lies, or what it is made from.")
    in_place: bool = Field(description="True when the source's own shard is used where it lies.")
    fingerprint: str = Field(description="Changes when the source's bytes change (size and ETag or mtime).")
    arguments: dict[str, JsonValue] = Field(default={}, description="What the source's reader needs to find it.")


class SourcePlan(Schema):
    """A source, looked at and cut into units."""

    format: SourceFormat = Field(description="How the source is laid out.")
    units: tuple[ShardUnit, ...] = Field(description="The units, in order.")
    class_names: tuple[str, ...] | None = Field(
        default=None, description="Class names by index when the source states them, else None."
    )


class BadSample(Stored):
    """One input that is not fit to protect, and why: a row of the quarantine list."""

    shard: str = Field(description="The shard that the sample lies in or would have gone to.")
    position: int = Field(ge=0, description="Its place in that shard (in place) or unit, from 0.")
    key: str = Field(description="Its key, as found, control characters escaped.")
    source: str = Field(description="The file or member it came from.")
    reason: str = Field(description="What is wrong with it, in a sentence.")


class SizeRange(Schema):
    """The sizes of a set of pictures, in pixels."""

    min_height: int = Field(ge=1)
    max_height: int = Field(ge=1)
    min_width: int = Field(ge=1)
    max_width: int = Field(ge=1)


class ShardRecord(Schema):
    """One shard: a tar of samples."""

    name: ShardName = Field(description="Name of the shard.")
    url: str = Field(description="Where it lies; in a destination's manifest, relative to the manifest.")
    samples: int = Field(ge=0, description="Good samples in it.")
    bytes: int = Field(ge=0, description="Size of the stored object.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the stored object.")
    class_counts: dict[str, int] = Field(description="Good samples by label, as the label is written.")
    sizes: SizeRange | None = Field(description="Range of picture sizes; None when there is no good sample.")
    bad_positions: tuple[int, ...] = Field(
        default=(), description="Places of samples in it that are quarantined and must be left out."
    )


class ShardIndex(Stored):
    """Done-marker of one unit of the shard stage."""

    inputs: str = Field(description="Digest of the unit and of the parameters that shaped it.")
    unit: ShardUnit
    record: ShardRecord
    bad: tuple[BadSample, ...] = Field(default=(), description="What was quarantined.")
    etag: str | None = Field(default=None, description="ETag of the shard that was written for it, in a bucket.")


class DatasetManifest(Stored):
    """The shards of one split: what every later stage reads."""

    source: SourceSpec
    format: SourceFormat
    class_names: tuple[str, ...] = Field(description="Class names by index.")
    labels: tuple[str, ...] = Field(description="The label as written in the samples, by class index.")
    shards: tuple[ShardRecord, ...]
    quarantined: int = Field(ge=0, description="Samples on the quarantine list.")
    typical_side: int | None = Field(
        default=None,
        ge=8,
        description="Typical side of its pictures in pixels when it was first indexed; None: as its shards are now.",
    )
    gone: tuple[str, ...] = Field(
        default=(), description="Shards that an earlier run found in the source and the last one did not."
    )

    @property
    def samples(self) -> int:
        """Good samples in all shards."""
        return sum(shard.samples for shard in self.shards)

    @property
    def heading(self) -> "DatasetManifest":
        """All but the shards: what a task of one shard needs to know of the others, which may be very many."""
        return self.model_copy(update={"shards": ()})

    @property
    def digest(self) -> str:
        """Digest of the stored bytes and their labels; it does not depend on where they lie."""
        shards = [[s.name, s.sha256, list(s.bad_positions)] for s in self.shards]
        return digest(shards, list(self.class_names), list(self.labels))

    @property
    def identity(self) -> str:
        """Digest of which dataset this is, its address and classes, whatever shards lie there today."""
        passing = {"max_bad_share", "max_pixels", "max_shard_bytes", "shard_size"}
        return digest(self.source.model_dump(mode="json", exclude=passing), list(self.class_names))

    def class_index(self, label: str) -> int:
        """Index of the class whose label is written `label`. Raises KeyError when there is none."""
        try:
            return self.labels.index(label)
        except ValueError as error:
            raise KeyError(label) from error
