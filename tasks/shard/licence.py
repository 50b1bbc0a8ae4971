"""The licence that a source states: files that hold it, right in its folder, and what its dataset card says."""

import re
from collections.abc import Iterable

from infra.errors import StorageError
from infra.storage import Folder
from infra.storage_errors import storage_errors
from tasks.shard.source import is_place
from tasks.shard.sources.listing import CARD, LICENCE, MAGIC, locate

# What is larger is no licence, or nothing to be carried through every run.
MOST_BYTES = 1_000_000
_FRONT = re.compile(rb"\A(?:\xef\xbb\xbf)?---[ \t]*\r?\n(.*?)\r?\n---", re.DOTALL)
# One by its name, or a list of one, as Hugging Face's cards have them.
_STATED = re.compile(
    rb"^license:(?:[ \t]*\r?\n[ \t]*-)?[ \t]*[\"']?([A-Za-z0-9][A-Za-z0-9.+-]{0,99})[\"']?[ \t]*(?:#[^\r\n]*)?\r?$"
    rb"(?!\n[ \t]*-)",
    re.MULTILINE,
)


def files(url: str) -> dict[str, bytes]:
    """Licence files right in the source's folder, by name, in order; {} of a source that is no place.

    Raises StorageError.
    """
    folder = _folder(url)
    if folder is None:
        return {}
    names = [name for name, size in _top(folder).items() if LICENCE.fullmatch(name) and size <= MOST_BYTES]
    return {name: folder.read(name) for name in sorted(names)}


def too_large(url: str) -> list[str]:
    """Names of licence files that are not carried over, for they are larger than MOST_BYTES. Raises StorageError."""
    folder = _folder(url)
    found = {} if folder is None else _top(folder)
    return sorted(name for name, size in found.items() if LICENCE.fullmatch(name) and size > MOST_BYTES)


def named_so(names: Iterable[str]) -> set[str]:
    """Those of some files of a copy that are called like a licence: nothing else of ours is."""
    return {name for name in names if LICENCE.fullmatch(name)}


def stated(url: str) -> str | None:
    """The licence that the front matter of the source's README.md names, as on Hugging Face; None when none does."""
    folder = _folder(url)
    if folder is None or not 0 < _top(folder).get(CARD, 0) <= MOST_BYTES:
        return None
    front = _FRONT.match(folder.read(CARD))
    found = _STATED.search(front[1]) if front else None
    return found[1].decode() if found else None


def _folder(url: str) -> Folder | None:
    """The folder of a source: what a glob looks into, what a file lies in."""
    if not is_place(url):
        return None
    if magic := MAGIC.search(url):
        return locate(url[: magic.start()])[0]
    folder = Folder(url)
    with storage_errors("look at", url):
        return locate(url.rstrip("/"))[0] if folder.fs.isfile(folder.path) else folder


def _top(folder: Folder) -> dict[str, int]:
    """Size in bytes of each file right in a folder, by name; {} of one that can be read from and not listed.

    No links: what they lead to may be none of the dataset's.
    """
    try:
        with storage_errors("look at", folder.url):
            found = folder.fs.ls(folder.path, detail=True)
    except StorageError as error:
        if error.transient:
            raise
        return {}
    files = [each for each in found if each["type"] == "file" and not each.get("islink")]
    return {str(each["name"]).rsplit("/", 1)[-1]: int(each["size"] or 0) for each in files}
