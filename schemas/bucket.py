"""Whole buckets: what is asked of a job over all datasets of one, and what it leaves behind."""

from typing import Any, Literal

from pydantic import Field, create_model

from schemas.base import Schema, Stored
from schemas.dataset import SourceSpec
from schemas.place import Place
from schemas.protect import ProtectConfig, ProtectSummary

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$"
_PLACES = {"source", "destination", "workspace"}
# A list may lie in the source bucket, whose owner is trusted with nothing: it must lead to no places or keys of others,
# take nothing out of a destination, and lift no limit that guards the machine.
_SHARED = {"public", "mapping", "orphans", "noise_store", "device", "workers", "runner", "key_file", "key_block"}
_LIMITS = {"max_pixels", "max_shard_bytes"}


def _settings(name: str, doc: str, model: type[Schema], without: set[str]) -> type[Schema]:
    """A schema with the fields of `model` but those of `without`, none of them required."""
    fields: dict[str, Any] = {
        each: (field.annotation, field) for each, field in model.model_fields.items() if each not in without
    }
    return create_model(name, __base__=Schema, __doc__=doc, **fields)


SourceSettings = _settings(
    "SourceSettings", "How datasets are read: SourceSpec but for the place.", SourceSpec, {"url"}
)
JobSettings = _settings(
    "JobSettings", "How datasets are protected: ProtectConfig but for its places.", ProtectConfig, _PLACES
)
DatasetSource = _settings(
    "DatasetSource",
    "How one dataset of a list is read: SourceSpec but for the place and the limits of a picture and a shard.",
    SourceSpec,
    {"url"} | _LIMITS,
)
DatasetSettings = _settings(
    "DatasetSettings",
    "How one dataset of a list is protected: ProtectConfig but for places, what becomes of orphans, keys, the machine.",
    ProtectConfig,
    _PLACES | _SHARED,
)


class DatasetEntry(Schema):
    """One dataset of a list: what it states replaces what all datasets share, field by field."""

    name: str = Field(pattern=NAME, max_length=200, description="Its folder below the destination.")
    url: str | None = Field(
        default=None, min_length=1, description="Where it lies below the bucket; None: in the folder of its name."
    )
    source: DatasetSource = Field(default=DatasetSource(), description="How it is read.")  # pyright: ignore
    job: DatasetSettings = Field(default=DatasetSettings(), description="How it is protected.")  # pyright: ignore


class DatasetList(Stored):
    """datasets.yaml: the datasets of a bucket, for one that a look can't tell apart."""

    datasets: tuple[DatasetEntry, ...] = Field(
        min_length=1, description="The datasets, in the order in which they are protected."
    )


class BucketConfig(Schema):
    """Everything that shapes the protected copy of a bucket."""

    bucket: Place = Field(description="Where the datasets lie: a bucket, or a folder of it.")
    destination: Place = Field(description="Where the protected copies go, each in a folder of its own.")
    workspace: Place = Field(description="Private place for all that is kept of each; never published.")
    datasets: Place | None = Field(
        default=None,
        description="YAML or JSON file that lists the datasets; None: BUCKET/datasets.yaml, or what a look finds.",
    )
    only: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Names of the datasets to protect now; None: all of them."
    )
    source: SourceSettings = Field(default=SourceSettings(), description="How datasets are read.")  # pyright: ignore
    job: JobSettings = Field(default=JobSettings(), description="How datasets are protected.")  # pyright: ignore


class FoundDataset(Schema):
    """A dataset of a bucket, one split of it."""

    name: str = Field(pattern=NAME, description="Its folder below the destination.")
    url: str = Field(description="Where it lies: a URL, a path or a glob.")
    split: str | None = Field(description="The split; None: as the configuration says.")
    how: Literal["list", "manifest", "shards", "parquet", "folder"] = Field(description="What told that it is one.")
    entry: DatasetEntry | None = Field(default=None, description="What a list states of it.")


class BucketContent(Schema):
    """What lies in a bucket."""

    datasets: tuple[FoundDataset, ...]
    strays: tuple[str, ...] = Field(description="The first files that belong to no dataset: they are not protected.")
    stray_count: int = Field(ge=0, description="How many there are.")


class DatasetOutcome(Schema):
    """What became of one dataset."""

    name: str
    url: str = Field(default="", description="Where it lies: a URL, a path or a glob; empty: not known.")
    summary: ProtectSummary | None = Field(description="What the run did; None when it failed.")
    error: str | None = Field(description="Why it failed, in one line; None when it did not.")


class BucketSummary(Stored):
    """What a run over a bucket did: bucket.json of its workspace, and what `protect-bucket --json` prints."""

    config: BucketConfig
    folder: str = Field(description="The folder that relative places count from.")
    datasets: tuple[DatasetOutcome, ...]
    gone: tuple[str, ...] = Field(
        description="Datasets of earlier runs that the bucket no longer holds; their copies stay."
    )
    strays: tuple[str, ...]
    stray_count: int
    seconds: float

    @property
    def failed(self) -> tuple[DatasetOutcome, ...]:
        """The datasets that failed."""
        return tuple(each for each in self.datasets if each.error is not None)
