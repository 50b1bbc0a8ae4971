"""Pairs of faces: the file that names them, and the pictures that it names."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from infra.caching import forget as forget_all
from infra.caching import shared
from infra.errors import ConfigurationError, one_line
from schemas.evaluate import Pairs
from tasks.evaluate import data
from tasks.shard.sources.listing import locate

_COLUMNS = ("key_a", "key_b", "same")
_SHAPE = "write a tab-separated file: a header with the columns key_a, key_b and same, then a pair a line"


@dataclass(frozen=True)
class Pair:
    """One line of a pairs file: two sample keys, and whether both show one person."""

    line: int
    a: str
    b: str
    same: bool


@dataclass(frozen=True)
class Faces:
    """The pictures that the pairs name, uint8 [N, S, S, 3]; `a` and `b` int64 [P] index them, `same` is bool [P]."""

    images: Tensor
    a: Tensor
    b: Tensor
    same: Tensor

    def digest(self) -> str:
        """SHA-256 of the pictures and of who is compared with whom."""
        hasher = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        for tensor in (self.images, self.a, self.b, self.same):
            hasher.update(tensor.contiguous().numpy().data.cast("B"))
        return hasher.hexdigest()


def parse(text: bytes, file: str) -> list[Pair]:
    """The pairs that `text`, the content of `file`, names: of one person and of two, at least one each.

    Raises ConfigurationError, with the line's number, for anything else.
    """
    try:
        lines = text.decode("utf-8-sig").split("\n")  # splitlines would split at what a key may hold
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"pairs file {file} is no text in UTF-8", _SHAPE) from error
    written = [(number, line.rstrip("\r").split("\t")) for number, line in enumerate(lines, 1) if line.strip()]
    if not written:
        raise ConfigurationError(f"pairs file {file} is empty", _SHAPE)
    places = _places(written[0], file)
    found = [_pair(number, fields, places, file) for number, fields in written[1:]]
    for same, what in ((True, "of one person (same 1)"), (False, "of two people (same 0)")):
        if not any(pair.same is same for pair in found):
            mend = "verification takes pairs of both kinds: add some"
            raise ConfigurationError(f"pairs file {file} names no pair {what}", mend)
    return found


def find(pairs: Sequence[Pair], pictures: data.Pictures, file: str, url: str) -> Faces:
    """The pictures that the pairs of `file` name, among the `pictures` found at `url`, whose names are SHARD/KEY.

    Raises ConfigurationError when a key is not there, or when several samples have the same one.
    """
    keys = [name.rpartition("/")[2] for name in pictures.names]
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        problem = f"{len(twice)} keys of {url} are those of several samples, such as {one_line(twice[0])}"
        raise ConfigurationError(problem, "give the pairs pictures of which each has a key of its own")
    places = {key: i for i, key in enumerate(keys)}
    for pair in pairs:
        for key in (pair.a, pair.b):
            if key not in places:
                problem = f"line {pair.line} of pairs file {file} names {one_line(key)}, which {url} does not hold"
                raise ConfigurationError(problem, "take the pair out, or give the pictures and the split it is from")
    named = sorted({places[key] for pair in pairs for key in (pair.a, pair.b)})
    index = {place: i for i, place in enumerate(named)}
    return Faces(
        pictures.images[named],
        torch.tensor([index[places[pair.a]] for pair in pairs]),
        torch.tensor([index[places[pair.b]] for pair in pairs]),
        torch.tensor([pair.same for pair in pairs]),
    )


@shared(4)
def faces(pairs: Pairs, size: int) -> Faces:
    """What the verification test of a victim compares that sees pictures of side `size`; read once in a process.

    Raises what `parse`, `find` and data.load do, and StorageError.
    """
    folder, name = locate(pairs.file)
    text = folder.read_optional(name)
    if text is None:
        raise ConfigurationError(f"pairs file {pairs.file} is not there", "check its name")
    return find(parse(text, pairs.file), data.load(pairs.pictures, size), pairs.file, pairs.pictures.url)


def forget() -> None:
    """Let go of all pairs: others may lie in the same places by now."""
    forget_all(faces)


def _places(header: tuple[int, list[str]], file: str) -> tuple[int, int, int]:
    number, names = header[0], [name.strip() for name in header[1]]
    missing = [name for name in _COLUMNS if names.count(name) != 1]
    if missing:
        problem = f"line {number} of pairs file {file} is no header: it has no single column {', '.join(missing)}"
        raise ConfigurationError(problem, _SHAPE)
    a, b, same = (names.index(name) for name in _COLUMNS)
    return a, b, same


def _pair(number: int, fields: list[str], places: tuple[int, int, int], file: str) -> Pair:
    where = f"line {number} of pairs file {file}"
    if len(fields) <= max(places):
        raise ConfigurationError(f"{where} has {len(fields)} columns, fewer than the header", _SHAPE)
    a, b, same = (fields[place].strip() for place in places)
    if not a or not b:
        raise ConfigurationError(f"{where} lacks a key", "name two sample keys, or take the line out")
    if same not in {"0", "1"}:
        problem = f'{where} has "{one_line(same)}" for same'
        raise ConfigurationError(problem, "write 1 for two pictures of one person and 0 for those of two")
    if a == b:
        raise ConfigurationError(f"{where} compares {one_line(a)} with itself", "name two pictures")
    return Pair(number, a, b, same == "1")
