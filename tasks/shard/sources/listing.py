"""Which files lie at a URL, and which of them belong to a split."""

import re
from dataclasses import dataclass
from typing import Any

from infra import bucket, disk
from infra.errors import DataError
from infra.storage import Folder
from infra.storage_errors import answer_of, storage_errors

SPLITS = ("train", "test", "valid", "validation", "val")
_SAME_SPLIT = {"valid": "val", "validation": "val"}
_HIDDEN_FILES = frozenset(["thumbs.db", "desktop.ini"])
_HIDDEN_FOLDERS = frozenset(["__macosx"])
MAGIC = re.compile(r"[*?\[]")
# Right in a dataset's folder these tell of it: its licence, and its card.
LICENCE = re.compile(r"(licen[cs]e|copying|notice)(\.(txt|md|rst))?", re.IGNORECASE | re.ASCII)
CARD = "README.md"

LAYOUTS = (
    "give a folder CLASS/IMAGE, WebDataset shards (*.tar, *.tar.gz, *.tgz), Parquet files in the Hugging Face "
    "image layout, torchvision://NAME?root=FOLDER, or digits"
)


@dataclass(frozen=True)
class Listing:
    """Files below `folder`, by relative name, sorted; `whole` when they are all that the folder holds."""

    folder: Folder
    files: dict[str, dict[str, Any]]
    whole: bool


def locate(url: str) -> tuple[Folder, str]:
    """The folder and the name of the object at `url`."""
    scheme, separator, rest = url.rpartition("://")
    parent, slash, name = rest.rpartition("/")
    if separator:
        return Folder(f"{scheme}://{parent}"), name
    return Folder(parent or (slash or ".")), name


def look(url: str) -> Listing:
    """Files at `url`: a folder, one file, or a glob; hidden ones are left out.

    Raises StorageError, for a bucket that is not there too.
    """
    found = _glob(url) if MAGIC.search(url) else None
    if found is None or not found.files:
        place = Folder(url)
        with storage_errors("look at", url):
            info = _info(place)
        if info is not None and info["type"] == "file":
            parent, name = locate(url.rstrip("/"))
            return Listing(parent, {name: dict(info)}, whole=False)
        found = Listing(place, place.list() if info is not None else {}, whole=True)
    visible = {name: info for name, info in sorted(found.files.items()) if not is_hidden(name)}
    return Listing(found.folder, visible, found.whole)


def _info(place: Folder) -> dict[str, Any] | None:
    """What the filesystem says of a place, or None when nothing is there. Errors are the filesystem's own.

    Its `exists` is not asked: at a bucket's root s3fs takes every error for an answer.
    """
    if place.is_s3 and place.path and "/" not in place.path:
        bucket.require(place.fs, place.path)
        return {"type": "directory"}
    try:
        return dict(place.fs.info(place.path))
    except (FileNotFoundError, NotADirectoryError) as error:
        if answer_of(error)[0] == "NoSuchBucket":
            raise
        return None


def is_hidden(name: str) -> bool:
    """True for what an operating system leaves behind: names with a dot in front, Thumbs.db and the like."""
    *folders, base = name.lower().split("/")
    if base in _HIDDEN_FILES or any(folder in _HIDDEN_FOLDERS for folder in folders):
        return True
    return any(part.startswith(".") for part in (*folders, base))


def same_split(name: str) -> str:
    """The one name of a split: valid and validation are val."""
    return _SAME_SPLIT.get(name.lower(), name.lower())


def choose_split(names: list[str], split: str, url: str) -> list[str]:
    """Those of `names` that belong to `split`; all of them when no name tells a split.

    A name tells its split by a word in its base name, else in its folders. Raises DataError when the names
    tell other splits only, or some of them tell none: those would go unprotected without a word.
    """
    told = {name: _splits_in(name, split) for name in names}
    if not any(told.values()):
        return names
    chosen = [name for name in names if same_split(split) in told[name]]
    if not chosen:
        raise no_split(url, split, set().union(*told.values()))
    require_told(url, split, [name for name in names if not told[name]])
    return chosen


def require_told(url: str, split: str, others: list[str]) -> None:
    """Raise DataError for what lies beside the splits of a source and is of none."""
    if others:
        problem = f"{url} has splits, and nothing tells of which {others[0]} is ({len(others)} such files)"
        raise DataError(problem, f"take it away, or name what is {split} alone: its folder, or a glob like {split}-*")


def no_split(url: str, split: str, found: set[str]) -> DataError:
    """The error that says which splits there are."""
    return DataError(f"no split {split} at {url}: it has {', '.join(sorted(found))}", "name one of them with --split")


def no_dataset(url: str) -> DataError:
    """The error that says which layouts are understood."""
    return DataError(f"no dataset at {url}", LAYOUTS)


def _splits_in(name: str, split: str) -> set[str]:
    words = "|".join([*SPLITS, re.escape(split.lower())])
    pattern = re.compile(rf"(?<![a-z0-9])({words})(?![a-z])")
    folders, _, base = name.lower().rpartition("/")
    found = pattern.findall(base) or pattern.findall(folders)
    return {same_split(word) for word in found}


def _glob(url: str) -> Listing | None:
    """Files that a glob names, by their names in the last folder before its first wildcard."""
    fixed = url[: url.index(MAGIC.findall(url)[0])]
    base, place = Folder(fixed.rpartition("/")[0] or "."), Folder(url)
    if fixed.startswith("/") and base.url == ".":
        base = Folder("/")
    with storage_errors("list", url):
        paths: Any = disk.glob(base.path, place.path) if place.is_local else place.fs.glob(place.path, detail=True)
    start = len(base.path) + 1
    return Listing(base, {p[start:]: dict(i) for p, i in paths.items() if i["type"] == "file"}, whole=False)
