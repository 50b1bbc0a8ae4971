"""Parquet files in the Hugging Face image layout: a row a sample, the encoded picture in a column."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import JsonValue

from infra.errors import DataError
from infra.storage import fingerprint
from infra.storage_errors import storage_errors
from schemas.dataset import ShardUnit, SourcePlan, SourceSpec
from tasks.shard.labels import normalise, unknown
from tasks.shard.samples import PICTURE_EXTENSIONS, Reject, Sample, sniff
from tasks.shard.sources import names
from tasks.shard.sources.listing import choose_split, locate, look, no_dataset

SUFFIXES = (".parquet", ".pq")
# Rows held at a time. Few, because a row may take thousands of times what it takes in the file: values that come again
# or begin alike are stored once.
_BATCH = 4
_LONGEST_PATH = 200  # characters of it that a reason repeats


@dataclass(frozen=True)
class _Columns:
    image: str
    label: str
    scalars: tuple[str, ...]
    class_names: tuple[str, ...] | None


def plan(spec: SourceSpec) -> SourcePlan:
    """Units of about `shard_size` rows of one file each.

    Raises DataError when there is no file of the split, or no column of pictures or labels.
    """
    listing = look(spec.url)
    files = [name for name in listing.files if name.lower().endswith(SUFFIXES)]
    files = choose_split(files, spec.split, spec.url)
    if not files:
        raise no_dataset(spec.url)
    units: list[ShardUnit] = []
    class_names: set[tuple[str, ...] | None] = set()
    left = spec.limit
    for file, stem in names.stems(files).items():
        if left == 0:
            break
        url, mark = listing.folder.object_url(file), fingerprint(listing.files[file])
        with _opened(url) as table:
            columns = _columns(table.schema_arrow, spec, url)
            total = _row_count(table, listing.files[file].get("size"), url)
            rows = total if left is None else min(left, total)
        left = None if left is None else left - rows
        class_names.add(columns.class_names)
        for start, stop in _ranges(rows, spec.shard_size):
            arguments: dict[str, JsonValue] = {"start": start, "stop": stop, "stem": stem}
            name = f"{spec.split}-{len(units):06d}.tar"
            units.append(ShardUnit(name=name, url=url, in_place=False, fingerprint=mark, arguments=arguments))
    if not units:
        raise no_dataset(spec.url)
    if len(class_names) > 1:
        problem = f"the Parquet files at {spec.url} state different class names"
        raise DataError(problem, "protect them one by one, or write them again with one schema")
    return SourcePlan(format="parquet", units=tuple(units), class_names=class_names.pop())


def read(spec: SourceSpec, unit: ShardUnit) -> Iterator[Sample | Reject]:
    """A Sample or a Reject for each row of the unit, in order, few rows in memory.

    Raises DataError, once all samples so far have more than `max_shard_bytes` too.
    """
    arguments: Any = unit.arguments
    left = spec.max_shard_bytes
    with _opened(unit.url) as table:
        columns = _columns(table.schema_arrow, spec, unit.url)
        for index, row in _rows(table, columns, arguments["start"], arguments["stop"], unit.url, spec.max_shard_bytes):
            sample = _sample(f"{arguments['stem']}-{index:09d}", f"{unit.url}[{index}]", row, columns)
            left -= sum(len(data) for _, data in sample.parts) if isinstance(sample, Sample) else 0
            if left < 0:
                raise _too_much(f"the rows of {unit.url} up to {index}", spec.max_shard_bytes, "lower shard_size")
            yield sample


@contextmanager
def _opened(url: str) -> Iterator[pq.ParquetFile]:
    folder, name = locate(url)
    with storage_errors("read", url):
        try:
            with folder.fs.open(folder.object_path(name), "rb") as file, pq.ParquetFile(file) as table:
                yield table
        except pa.ArrowException as error:
            raise _damaged(url, error) from error


def _rows(
    table: pq.ParquetFile, columns: _Columns, start: int, stop: int, url: str, max_bytes: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number, row) for the rows start..stop, from the row groups that hold them."""
    first, groups, at = 0, [], 0
    for number in range(table.metadata.num_row_groups):
        size = table.metadata.row_group(number).num_rows
        if at + size <= start:
            first = at + size
        elif at < stop:
            groups.append(number)
        at += size
    _require_small(table, groups, max_bytes, url)
    wanted = [columns.image, columns.label, *columns.scalars]
    index = first
    for batch in table.iter_batches(_BATCH, row_groups=groups, columns=wanted):
        if batch.nbytes > max_bytes:
            raise _too_much(f"{batch.num_rows} rows of {url} from {index} on", max_bytes, "write smaller rows")
        if index + batch.num_rows > start:
            for offset, row in enumerate(batch.to_pylist()):
                if start <= index + offset < stop:
                    yield index + offset, row
        index += batch.num_rows
        if index >= stop:
            return
    raise _damaged(url, f"it has {index} rows where {stop} were expected")


def _require_small(table: pq.ParquetFile, groups: Iterable[int], max_bytes: int, url: str) -> None:
    """Raise DataError for a row group that unpacks to more than `max_bytes`, as the file itself states."""
    for number in groups:
        if table.metadata.row_group(number).total_byte_size > max_bytes:
            raise _too_much(f"row group {number} of {url}", max_bytes, "write smaller row groups", "unpacks")


def _too_much(what: str, max_bytes: int, mend: str, verb: str = "unpack") -> DataError:
    return DataError(
        f"{what} {verb} to more than {max_bytes} bytes", f"raise max_shard_bytes if you trust it, or {mend}"
    )


def _row_count(table: pq.ParquetFile, size: int | None, url: str) -> int:
    """Rows of a file of `size` bytes. Raises DataError for more than it can hold pictures: each row is planned for."""
    rows = table.metadata.num_rows
    if size is not None and rows > size:
        raise _damaged(url, f"it states {rows} rows in {size} bytes")
    return rows


def _sample(key: str, source: str, row: dict[str, Any], columns: _Columns) -> Sample | Reject:
    cell = row[columns.image]
    data, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
    if not data:
        held = f": only its path {str(path)[:_LONGEST_PATH]} is in the file" if path else ""
        return Reject(key, source, f"no picture{held}")
    label = normalise(row[columns.label])
    if label is None:
        return Reject(key, source, "no label")
    reason = unknown(label, None if columns.class_names is None else len(columns.class_names))
    if reason is not None:
        return Reject(key, source, reason)
    parts = [(_picture_extension(data, path), data), ("cls", label.encode())]
    others = {name: row[name] for name in columns.scalars}
    if others:
        parts.append(("json", json.dumps(others, sort_keys=True, default=str).encode()))
    return Sample(key, label, tuple(parts), 0, source)


def _picture_extension(data: bytes, path: Any) -> str:
    named = str(path or "").rpartition(".")[2].lower()
    return sniff(data) or (named if named in PICTURE_EXTENSIONS else "png")


def _ranges(rows: int, size: int) -> list[tuple[int, int]]:
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def _columns(schema: pa.Schema, spec: SourceSpec, url: str) -> _Columns:
    """Which columns are picture and label. Raises DataError when there is none."""
    image = _choose(schema, spec.image_field, "image", _holds_pictures, url)
    label = _choose(schema, spec.label_field, "label", _holds_labels, url)
    scalars = [f.name for f in schema if f.name not in (image, label) and _is_scalar(f.type)]
    return _Columns(image, label, tuple(scalars), _class_names(schema, label, url))


def _choose(schema: pa.Schema, field: str | None, usual: str, fits: Any, url: str) -> str:
    fitting = [f.name for f in schema if fits(f.type)]
    name = field or usual
    if name in fitting:
        return name
    if field is None and usual == "image" and len(fitting) == 1:
        return fitting[0]
    problem = f"{url} has no {usual} column {name}; its columns are {', '.join(schema.names)}"
    raise DataError(problem, f"name the right one with --{usual}-field")


def _holds_pictures(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _holds_labels(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _holds_labels(kind.value_type)
    return pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_scalar(kind: pa.DataType) -> bool:
    other = pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_temporal(kind)
    return other or _holds_labels(kind)


def _class_names(schema: pa.Schema, label: str, url: str) -> tuple[str, ...] | None:
    """Names of a Hugging Face ClassLabel, from the schema's metadata, or None."""
    try:
        feature = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]
        found = feature["names"]
    except (KeyError, TypeError, ValueError):
        return None
    class_names = names.class_names(found) if isinstance(found, list) else None
    if class_names is None and found:
        problem = (
            f"{url} states class names that are no list, or of which two read the same or one is empty or too long"
        )
        raise DataError(problem, "write it again with a name of its own for each class")
    return class_names


def _damaged(url: str, reason: object) -> DataError:
    return DataError(f"{url} is no Parquet file, truncated or damaged ({reason})", "copy it again from its origin")
