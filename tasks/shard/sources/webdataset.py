"""WebDataset shards: used where they lie, unless only a part of them is wanted."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

from pydantic import JsonValue

from infra.errors import DataError
from infra.storage import Folder, fingerprint, sha256
from schemas.dataset import DatasetManifest, ShardRecord, ShardUnit, SourcePlan, SourceSpec
from schemas.protect import ProtectedManifest
from tasks.shard.samples import Reject, Sample
from tasks.shard.sources import names
from tasks.shard.sources.listing import Listing, choose_split, locate, look, no_dataset, no_split, same_split
from tasks.shard.sources.members import Fields, parse
from tasks.shard.tar import group, members

SUFFIXES = (".tar", ".tar.gz", ".tgz")
MANIFEST = "manifest.json"
# What shards are called in a manifest of ours (docs/adr/0002). Whoever writes into a source can write one, and by its
# names markers and protected shards are written: none may lead out of a folder, or be a card's, a manifest's, a lock's.
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.(tar|tar\.gz|tgz)")
_WITHOUT = "copy it again from its origin, or remove it, and the shards are looked at themselves"
_SHOWN = 100


def plan(spec: SourceSpec) -> SourcePlan:
    """One unit a shard; with a limit, units that copy a part of one shard each.

    Raises DataError when there is no shard of the split, or one is not what its manifest says or not in it.
    """
    listing = look(spec.url)
    manifest = own_manifest(listing.folder)
    if manifest is not None:
        units, class_names = _units_of_manifest(spec, listing, manifest)
    else:
        units, class_names = _units_of_listing(spec, listing)
    if not units:
        raise no_dataset(spec.url)
    if spec.limit is not None:
        units = _limited(spec, spec.limit, units)
    return SourcePlan(format="webdataset", units=tuple(units), class_names=class_names)


def read(spec: SourceSpec, unit: ShardUnit) -> Iterator[Sample | Reject]:
    """Every sample of a unit, in order. Raises DataError for a damaged shard."""
    yield from read_bytes(spec, unit, fetch(unit))


def fetch(unit: ShardUnit) -> bytes:
    """The bytes of a unit's shard, checked against its manifest where it has one. Raises DataError."""
    folder, name = locate(unit.url)
    data = folder.read(name)
    stated, size = unit.arguments.get("sha256"), unit.arguments.get("bytes")
    if (size is not None and size != len(data)) or (stated is not None and stated != sha256(data)):
        raise _mismatch(name)
    return data


def read_bytes(spec: SourceSpec, unit: ShardUnit, data: bytes) -> Iterator[Sample | Reject]:
    """Every sample of a unit whose shard has been fetched, in order. Raises DataError."""
    arguments: Any = unit.arguments
    fields = Fields(spec.label_field, spec.image_field, arguments.get("classes"))
    samples = parse(data, locate(unit.url)[1], spec.max_shard_bytes, fields)
    skip, take = arguments.get("skip"), arguments.get("take")
    yield from samples if take is None else islice(samples, skip, skip + take)


def _units_of_listing(spec: SourceSpec, listing: Listing) -> tuple[list[ShardUnit], tuple[str, ...] | None]:
    shards = [name for name in listing.files if name.lower().endswith(SUFFIXES)]
    shards = choose_split(shards, spec.split, spec.url)
    if not shards:
        return [], None
    class_names = _class_names(listing.folder, shards)
    arguments: dict[str, JsonValue] = {} if class_names is None else {"classes": len(class_names)}
    named = names.shard_names(shards)
    units = [
        ShardUnit(
            name=named[shard],
            url=listing.folder.object_url(shard),
            in_place=True,
            fingerprint=fingerprint(listing.files[shard]),
            arguments=arguments,
        )
        for shard in shards
    ]
    return units, class_names


def _units_of_manifest(
    spec: SourceSpec, listing: Listing, manifest: DatasetManifest
) -> tuple[list[ShardUnit], tuple[str, ...] | None]:
    if same_split(manifest.source.split) != same_split(spec.split):
        raise no_split(spec.url, spec.split, {manifest.source.split})
    _require_names(listing.folder, manifest)
    by_index = manifest.labels == tuple(str(i) for i in range(len(manifest.labels)))
    class_names = _stated_classes(listing.folder, manifest) if by_index else None
    found = [(record, _name_inside(listing.folder, record.url)) for record in manifest.shards]
    units = [
        _unit_of_record(listing, record, name, len(manifest.labels) if by_index else None)
        for record, name in found
        if listing.whole or name in listing.files
    ]
    _require_named(listing, {name for _, name in found})
    return units, class_names


def _require_named(listing: Listing, named: Collection[str | None]) -> None:
    """Raise DataError for a shard that the manifest does not name: it would never be protected, without a word."""
    unnamed = [name for name in listing.files if name.lower().endswith(SUFFIXES) and name not in named]
    if unnamed:
        problem = f"{listing.folder.object_url(MANIFEST)} does not name {unnamed[0]} ({len(unnamed)} such shards)"
        raise DataError(problem, "take it away, or remove the manifest, and all shards are looked at")


def _require_names(folder: Folder, manifest: DatasetManifest) -> None:
    """Raise DataError when a manifest calls shards what they are never called, or two of them alike."""
    for name, count in Counter(record.name for record in manifest.shards).items():
        if not _NAME.fullmatch(name):
            raise DataError(f"{folder.object_url(MANIFEST)}: {name[:_SHOWN]!r} is no name of a shard", _WITHOUT)
        if count > 1:
            raise DataError(f"{folder.object_url(MANIFEST)}: {count} shards are called {name[:_SHOWN]}", _WITHOUT)


def _stated_classes(folder: Folder, manifest: DatasetManifest) -> tuple[str, ...]:
    """A manifest's class names by index, each on one line. Raises DataError when they can't be those of its labels."""
    found = names.class_names(manifest.class_names)
    if found is None or len(found) != len(manifest.labels):
        raise DataError(f"{folder.object_url(MANIFEST)} has no list of class names, one a label", _WITHOUT)
    return found


def _name_inside(folder: Folder, url: str) -> str | None:
    """The name in `folder` of the shard at `url`, as a manifest there gives it; None when that leads elsewhere."""
    if "://" not in url and not url.startswith("/"):
        return url
    starts = (f"{start.rstrip('/')}/" for start in (folder.url, folder.path, folder.identity()))
    return next((url[len(start) :] for start in starts if url.startswith(start)), None)


def _unit_of_record(listing: Listing, record: ShardRecord, name: str | None, classes: int | None) -> ShardUnit:
    if name is None:
        problem = f"{listing.folder.object_url(MANIFEST)}: shard {record.name} lies outside {listing.folder.url}"
        raise DataError(problem, "name the place that the shards lie in as the source")
    info = listing.files.get(name)  # and no request for it: whoever wrote the manifest would choose what is asked for
    if info is None:
        problem = f"shard {record.name} of the manifest at {listing.folder.url} is not there"
        raise DataError(problem, "copy it again from its origin")
    if info.get("size") != record.bytes:
        raise _mismatch(record.name)
    arguments: dict[str, JsonValue] = {"sha256": record.sha256, "bytes": record.bytes}
    if classes is not None:
        arguments["classes"] = classes
    return ShardUnit(
        name=record.name,
        url=listing.folder.object_url(name),
        in_place=True,
        fingerprint=fingerprint(info),
        arguments=arguments,
    )


def _mismatch(shard: str) -> DataError:
    return DataError(f"shard {shard} is not the one that its manifest records", "copy it again from its origin")


def _limited(spec: SourceSpec, limit: int, units: list[ShardUnit]) -> list[ShardUnit]:
    """Units for the first `limit` samples. No unit spans two shards: the same key may stand in both."""
    parts: list[ShardUnit] = []
    left = limit
    for unit in units:
        if left == 0:
            break
        count = min(left, len(group(members(fetch(unit), locate(unit.url)[1], spec.max_shard_bytes))))
        left -= count
        for skip in range(0, count, spec.shard_size):
            arguments = {**unit.arguments, "skip": skip, "take": min(spec.shard_size, count - skip)}
            name = f"{spec.split}-{len(parts):06d}.tar"
            parts.append(unit.model_copy(update={"name": name, "in_place": False, "arguments": arguments}))
    return parts


def own_manifest(folder: Folder) -> DatasetManifest | None:
    """The manifest beside the shards that this product wrote, or somebody in its name, or None.

    Raises DataError when it is damaged.
    """
    data = folder.read_optional(MANIFEST)
    if data is None:
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or "schema_version" not in found:
        return None  # a manifest of somebody else's
    if "dataset" in found:
        protected = folder.load(MANIFEST, ProtectedManifest)
        return None if protected is None else protected.dataset
    return folder.load(MANIFEST, DatasetManifest)


def _class_names(folder: Folder, shards: list[str]) -> tuple[str, ...] | None:
    """Class names by index from classes.json beside the shards or above them, or None. Raises DataError."""
    beside = shards[0].rpartition("/")[0]
    for name in dict.fromkeys([f"{beside}/classes.json" if beside else "classes.json", "classes.json"]):
        data = folder.read_optional(name)
        if data is not None:
            return _names_from_json(data, folder.object_url(name))
    return None


def _names_from_json(data: bytes, url: str) -> tuple[str, ...]:
    mend = 'write a list of names, or an object {"0": NAME, "1": NAME}, each once and in 200 characters'
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{url} is no JSON", mend) from error
    if isinstance(found, dict):
        indices = [str(i) for i in range(len(found))]
        found = [found[i] for i in indices] if set(found) == set(indices) else None
    class_names = names.class_names(found) if isinstance(found, list) else None
    if class_names is None:
        raise DataError(f"{url} is no list of class names", mend)
    return class_names
