"""Names that are safe in any shard, from names that are not."""

import hashlib
import re
from collections.abc import Callable, Iterable

from infra.errors import one_line
from tasks.shard.labels import LONGEST

_UNSAFE_IN_KEY = re.compile(r"[^A-Za-z0-9_-]")
_UNSAFE_IN_FILE = re.compile(r"[^A-Za-z0-9._-]")


def text_digest(text: str) -> bytes:
    """SHA-256 of any text, names that are no valid Unicode among them."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def class_names(written: Iterable[object]) -> tuple[str, ...] | None:
    """Names of classes by index, each on one line; None where two would read the same, or one is empty or too long."""
    names = tuple(one_line(str(name)) for name in written)
    fit = len(set(names)) == len(names) and all(0 < len(name) <= LONGEST for name in names)
    return names if names and fit else None


def hashed_order(texts: Iterable[str]) -> list[str]:
    """The texts in an order that looks random and is always the same, so that classes mix."""
    return sorted(texts, key=lambda text: (text_digest(text), text))


def keys(paths: list[str]) -> dict[str, str]:
    """A key for each path, unique: the path without its extension, unsafe characters replaced.

    Where that lost more than slashes, or two paths would share a key, a hash of the path is added.
    """
    return _unique(paths, _key, _is_lossy)


def shard_names(paths: list[str]) -> dict[str, str]:
    """A shard name NAME.tar for each path of a shard, unique."""
    named = _unique(paths, _shard_stem, lambda _path, _stem: False)
    return {path: f"{stem}.tar" for path, stem in named.items()}


def stems(paths: list[str]) -> dict[str, str]:
    """A stem for each file, safe in a key, unique: its base name without extension."""
    return _unique(paths, lambda path: _key(path.rsplit("/", 1)[-1]), lambda _path, _stem: False)


def _unique(paths: list[str], name: Callable[[str], str], lossy: Callable[[str, str], bool]) -> dict[str, str]:
    plain = {path: name(path) for path in paths}
    count: dict[str, int] = {}
    for value in plain.values():
        # Without regard to case: a shard may be unpacked on a disk that has none.
        count[value.lower()] = count.get(value.lower(), 0) + 1
    return {
        path: f"{value}-{text_digest(path).hex()[:8]}" if count[value.lower()] > 1 or lossy(path, value) else value
        for path, value in plain.items()
    }


def _without_extension(path: str) -> str:
    folder, slash, base = path.rpartition("/")
    return folder + slash + (base.rpartition(".")[0] or base)


def _key(path: str) -> str:
    return _UNSAFE_IN_KEY.sub("_", _without_extension(path))


def _is_lossy(path: str, key: str) -> bool:
    return key != _without_extension(path).replace("/", "_")


def _shard_stem(path: str) -> str:
    stem = re.sub(r"\.(tar|tar\.gz|tgz)$", "", path.rsplit("/", 1)[-1], flags=re.IGNORECASE)
    return _UNSAFE_IN_FILE.sub("_", stem).lstrip(".") or "shard"
