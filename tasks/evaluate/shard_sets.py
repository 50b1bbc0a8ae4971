"""The training pictures of a run in their shards, to be streamed: which samples, and of which of them the original."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from infra.caching import shared
from infra.errors import ConfigurationError, DataError
from infra.storage import Folder
from schemas.base import digest
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig, Part
from tasks.evaluate import data, originals, streaming
from tasks.evaluate.originals import Both, Side
from tasks.evaluate.streaming import Entry, Shard
from tasks.rewrite.audit import manifest_of
from tasks.shard.sample import typical_side
from tasks.shard.samples import Sample
from tasks.shard.scale import to_working

_LEFT_OUT, _STORED, _ORIGINAL = 0, 1, 2
# For each sample of a shard, in its order, one of the three above: uint8 [N].
_Choice = NDArray[np.uint8]

_COPIES = 64  # of so many copies is kept what lies where, and which samples carry noise: no pictures
both = shared(_COPIES)(originals.both)


@dataclass(frozen=True)
class ShardSet:
    """Training pictures in their shards, and the digest that tells what they are without reading them."""

    shards: tuple[Shard, ...]
    digest: str


@shared(_COPIES)
def changed(copy: str, clean: SourceSpec) -> dict[str, NDArray[np.bool_]]:
    """Which samples of a copy carry noise in their stored pixels, by shard: bool [N]. Reads both sides once."""
    pair = both(copy, clean)
    return {record.name: pair.changed(record.name) for record in pair.manifest.shards}


def of(config: EvaluateConfig, copy: str | None, part: Part, clean_share: float, size: int) -> ShardSet:
    """What sets.training_set gives, in shards. Raises ConfigurationError where that can't be streamed, DataError."""
    check(config)
    _require_same_samples(config.protected)
    pair = both(copy or config.protected[0], config.clean)
    choices = _choices(pair, copy, config.clean, part, clean_share)
    shards = tuple(
        Shard(record.name, int(np.count_nonzero(choice)), record.bytes, partial(_read, pair, record.name, choice, size))
        for record in pair.manifest.shards
        if (choice := choices[record.name]).any()
    )
    if not shards:
        raise no_pictures(copy, part)
    return ShardSet(shards, _digest(pair, choices, size))


def examples(copy: str, clean: SourceSpec, size: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Originals and how a copy has them, one of each of the first `most` classes: uint8 [K, S, S, 3] each."""
    pair = both(copy, clean)
    found = pair.examples(most)
    before = np.stack([_pixels(pair.clean, original, size) for _, original in found])
    return before, np.stack([_pixels(pair.stored, stored, size) for stored, _ in found])


def of_one_shard(copy: str, clean: SourceSpec, side: int, most: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The same of classes that one shard of the copy has, at their typical size or `side`; no other shard is read.

    It is the smallest that has so many samples: a shard is read whole, from both places.

    None when no shard of the copy has a picture and a source.
    """
    pair = both(copy, clean)
    shards = [one for one in pair.manifest.shards if one.samples and one.name in pair.clean.units]
    if not shards:
        return None
    chosen = min(shards, key=lambda one: (one.samples < most, one.bytes))
    size, found = min(side, typical_side(pair.manifest)), pair.one_of_each(chosen.name, most)
    before = np.stack([_pixels(pair.clean, original, size) for _, original in found])
    return before, np.stack([_pixels(pair.stored, stored, size) for stored, _ in found])


def check(config: EvaluateConfig) -> None:
    """Raise ConfigurationError when training pictures are asked for that can't be streamed."""
    if config.beside is not None:
        problem = "two datasets learnt beside each other can't be streamed"
        raise ConfigurationError(problem, "set memory to resident, with a smaller recipe.size if need be")


def no_pictures(copy: str | None, part: Part) -> DataError:
    """The error that says that a part of a copy is empty."""
    return DataError(f"{copy} holds no {part} pictures, as its stored pixels tell", "leave this part out of parts")


def _choices(pair: Both, copy: str | None, clean: SourceSpec, part: Part, share: float) -> dict[str, _Choice]:
    taken = _STORED if copy else _ORIGINAL
    found = {record.name: np.full(record.samples, taken, np.uint8) for record in pair.manifest.shards}
    if copy is None:
        return found
    if part != "all":
        for name, flags in changed(copy, clean).items():
            found[name][flags != (part == "protected")] = _LEFT_OUT
    if share:
        back = data.put_back(sum(int(np.count_nonzero(choice)) for choice in found.values()), share).numpy()
        for choice in found.values():
            places = np.flatnonzero(choice)
            choice[places[back[: len(places)]]] = _ORIGINAL
            back = back[len(places) :]
    return found


def _read(pair: Both, shard: str, choice: _Choice, size: int) -> Iterator[Entry]:
    for (side, sample), chosen in zip(_sides(pair, shard, choice), choice, strict=True):
        if chosen != _LEFT_OUT:
            yield partial(_pixels, side, sample, size), side.class_of(sample)


def _sides(pair: Both, shard: str, choice: _Choice) -> Iterator[tuple[Side, Sample]]:
    """Each sample of a shard from the side that it is wanted from; a side that none is wanted from is not read."""
    if not (choice == _ORIGINAL).any():
        yield from ((pair.stored, one) for one in pair.copies(shard))
    elif not (choice == _STORED).any():
        yield from ((pair.clean, one) for one in pair.originals(shard))
    else:
        for chosen, (stored, original) in zip(choice, pair.pairs(shard), strict=True):
            yield (pair.clean, original) if chosen == _ORIGINAL else (pair.stored, stored)


def _pixels(side: Side, sample: Sample, size: int) -> np.ndarray:
    return to_working(side.decoded(sample), size)


def _digest(pair: Both, choices: dict[str, _Choice], size: int) -> str:
    hasher = hashlib.sha256()
    for choice in choices.values():
        hasher.update(choice.tobytes())
    taken = {int(one) for choice in choices.values() for one in np.unique(choice)}
    stored = pair.manifest.digest if _STORED in taken else None
    clean = pair.clean.identity() if _ORIGINAL in taken else None
    counts = [[name, len(choice)] for name, choice in choices.items()]
    names = list(pair.manifest.class_names)
    return digest("streamed", streaming.VERSION, size, names, counts, hasher.hexdigest(), stored, clean)


def _require_same_samples(copies: tuple[str, ...]) -> None:
    """Raise DataError when copies have other shards or other numbers of samples in them."""
    counts = [[(s.name, s.samples) for s in manifest_of(Folder(copy)).dataset.shards] for copy in copies]
    for copy, found in zip(copies, counts, strict=True):
        if found != counts[0]:
            problem = f"{copies[0]} and {copy} do not hold the same samples"
            raise DataError(problem, "evaluate copies together that were made from one source and split")
