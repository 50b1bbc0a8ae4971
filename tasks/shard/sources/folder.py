"""A tree of pictures, CLASS/IMAGE, on any filesystem."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import JsonValue

from infra.errors import DataError, one_line
from infra.storage import Folder, fingerprint
from schemas.base import digest
from schemas.dataset import ShardUnit, SourcePlan, SourceSpec
from tasks.shard.labels import LONGEST
from tasks.shard.samples import Reject, Sample, is_picture
from tasks.shard.sources import names
from tasks.shard.sources.listing import (
    CARD,
    LICENCE,
    SPLITS,
    Listing,
    look,
    no_dataset,
    no_split,
    require_told,
    same_split,
)

_READERS = 16  # one small object costs a bucket tens of milliseconds, so they are read side by side
_BATCH = 64
_SHOWN = 100
_SURROGATE = re.compile("[\ud800-\udfff]")  # bytes of a name that are no UTF-8; no JSON can hold them


def plan(spec: SourceSpec) -> SourcePlan:
    """Units of `shard_size` files in a hashed order, so that the classes mix; the dataset's licence and card are none.

    Raises DataError when there is no class folder with pictures, or no such split.
    """
    listing = _enter_split(look(spec.url), spec)
    classes = sorted({path.split("/", 1)[0] for path in listing.files if "/" in path and is_picture(_extension(path))})
    if not classes:
        raise no_dataset(spec.url)
    paths = names.hashed_order([path for path in listing.files if path != CARD and not LICENCE.fullmatch(path)])
    keys = names.keys(paths)
    paths = paths[: spec.limit]
    index = {name: i for i, name in enumerate(classes)}
    items = [_item(path, keys[path], index) for path in paths]
    units = [
        ShardUnit(
            name=f"{spec.split}-{number:06d}.tar",
            url=listing.folder.url,
            in_place=False,
            fingerprint=digest([fingerprint(listing.files[path]) for path in paths[start : start + spec.shard_size]]),
            arguments={"items": items[start : start + spec.shard_size]},
        )
        for number, start in enumerate(range(0, len(items), spec.shard_size))
    ]
    return SourcePlan(format="folder", units=tuple(units), class_names=_class_names(spec, classes))


def _class_names(spec: SourceSpec, folders: Sequence[str]) -> tuple[str, ...]:
    """Names of the classes, each on one line. Raises DataError when two folders would have the same, or one is long."""
    written = tuple(one_line(folder) for folder in folders)
    long = [name for name in written if len(name) > LONGEST]
    if long:
        problem = f"a class folder of {spec.url} has a name of {len(long[0])} characters: {long[0][:_SHOWN]}..."
        raise DataError(problem, f"give it one of at most {LONGEST}")
    twice = [name for name, count in Counter(written).items() if count > 1]
    if twice:
        problem = f"several class folders of {spec.url} are called {twice[0]}, but for spaces and line breaks"
        raise DataError(problem, "rename all but one of them")
    return written


def read(spec: SourceSpec, unit: ShardUnit) -> Iterator[Sample | Reject]:  # noqa: ARG001 - every source's signature
    """A Sample or a Reject for each file of the unit, in its order. Raises StorageError."""
    folder = Folder(unit.url)
    items: Any = unit.arguments["items"]
    with ThreadPoolExecutor(_READERS) as pool:
        for start in range(0, len(items), _BATCH):
            batch = items[start : start + _BATCH]
            contents = iter(pool.map(folder.read, [path for path, _, _, reason in batch if reason is None]))
            for path, key, label, reason in batch:
                if reason is not None:
                    yield Reject(key, path, reason)
                else:
                    parts = ((_extension(path), next(contents)), ("cls", str(label).encode()))
                    yield Sample(key, str(label), parts, 0, path)


def _enter_split(listing: Listing, spec: SourceSpec) -> Listing:
    """The listing of URL/SPLIT when the root holds folders of splits, else the listing itself."""
    found = _split_folders(listing.files, spec.split)
    if not found:
        return listing
    chosen = [folder for folder in found if folder == spec.split] or [
        folder for folder in found if same_split(folder) == same_split(spec.split)
    ]
    if not chosen:
        raise no_split(spec.url, spec.split, set(found))
    # A folder of folders may be a split by another name; pictures right below a folder beside splits are a class.
    shallow = [path for path in listing.files if path.count("/") < 2 and is_picture(_extension(path))]
    require_told(spec.url, spec.split, shallow)
    start = len(chosen[0]) + 1
    files = {path[start:]: info for path, info in listing.files.items() if path.startswith(f"{chosen[0]}/")}
    return Listing(listing.folder.child(chosen[0]), files, listing.whole)


def _split_folders(paths: Any, split: str) -> list[str]:
    """Top folders that are splits: named like one, and their pictures lie in folders again.

    A class may be called `train` (beside car and bus): its pictures lie in it directly.
    """
    depths: dict[str, Counter[bool]] = {}
    for path in paths:
        parts = path.split("/")
        if len(parts) > 1 and is_picture(_extension(path)):
            depths.setdefault(parts[0], Counter())[len(parts) > 2] += 1
    known = {same_split(name) for name in (*SPLITS, split)}
    return sorted(top for top, nested in depths.items() if same_split(top) in known and not nested[False])


def _item(path: str, key: str, classes: dict[str, int]) -> JsonValue:
    """[path, key, class index, None] of a picture, or [path, key, None, reason]."""
    top, _, rest = path.partition("/")
    if _SURROGATE.search(path):
        return [one_line(path), key, None, "its name is no valid text"]
    if not is_picture(_extension(path)):
        return [path, key, None, "not a picture by its name"]
    if not rest:
        return [path, key, None, "no label: it lies in no class folder"]
    return [path, key, classes[top], None]


def _extension(path: str) -> str:
    return path.rsplit("/", 1)[-1].rpartition(".")[2].lower()
