"""A dataset in any layout: look at it, cut it into units, read a unit."""

from collections.abc import Iterator
from pathlib import PurePath
from types import ModuleType
from typing import Any

from infra.errors import DataError
from infra.storage import Folder
from schemas.dataset import ShardUnit, SourceFormat, SourcePlan, SourceSpec
from tasks.shard.samples import Reject, Sample, is_picture
from tasks.shard.sources import digits, folder, parquet, torchvision, webdataset
from tasks.shard.sources.listing import look, no_dataset

DIGITS = "digits"
_SOURCES: dict[str, ModuleType] = {
    "folder": folder,
    "webdataset": webdataset,
    "parquet": parquet,
    "torchvision": torchvision,
    "digits": digits,
}


def detect(spec: SourceSpec) -> SourceFormat:
    """How the dataset is laid out. Raises DataError when there is none at the URL or names tell two, StorageError."""
    if spec.format != "auto":
        return spec.format
    if spec.url == DIGITS:
        return "digits"
    if spec.url.startswith(torchvision.SCHEME):
        return "torchvision"
    files = look(spec.url).files
    shard = next((name for name in files if name.lower().endswith(webdataset.SUFFIXES)), None)
    table = next((name for name in files if name.lower().endswith(parquet.SUFFIXES)), None)
    picture = next((name for name in files if "/" in name and is_picture(name)), None)
    data = shard or table
    if data and picture:  # one file must not decide that all pictures, or all shards, are left out
        problem = f"{spec.url} holds {data} and, in a folder, {picture}: which of both is the dataset?"
        stated = "webdataset" if shard else "parquet"
        raise DataError(problem, f"say so with --format {stated} or --format folder, or take the others away")
    if shard:
        return "webdataset"
    if table:
        return "parquet"
    if picture:
        return "folder"
    raise no_dataset(spec.url)


def is_place(url: str) -> bool:
    """True for a source that lies where a job could write, and False for one that is generated or embedded."""
    return url != DIGITS and not url.startswith(torchvision.SCHEME)


def spelled(spec: SourceSpec) -> SourceSpec:
    """The same source with its URL in the one spelling by which it is known again, wherever and however it is named.

    On a disk that is the whole path, with links and `..` as they are: where they lead may change.
    """
    if not is_place(spec.url):
        return spec
    place = Folder(spec.url)
    scheme, separator, rest = spec.url.rpartition("://")
    url = str(PurePath(place.path or "/")) if place.is_local else f"{scheme}{separator}{rest.rstrip('/')}"
    return spec.model_copy(update={"url": url})


def plan(spec: SourceSpec) -> SourcePlan:
    """Look at a source and cut it into units: the same source gives the same units.

    Raises DataError when there is no dataset or no such split, StorageError.
    """
    found = detect(spec)
    planned: SourcePlan = _SOURCES[found].plan(spec)
    # So that reading a unit doesn't have to look at the whole source again.
    units = [unit.model_copy(update={"arguments": {**unit.arguments, "format": found}}) for unit in planned.units]
    return planned.model_copy(update={"units": tuple(units)})


def read(spec: SourceSpec, unit: ShardUnit) -> Iterator[Sample | Reject]:
    """Every input of a unit, in order: a Sample or a Reject. Raises DataError for damaged shards, StorageError."""
    found: Any = unit.arguments.get("format") or detect(spec)
    yield from _SOURCES[found].read(spec, unit)
