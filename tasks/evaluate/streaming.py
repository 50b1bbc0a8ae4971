"""Training pictures that don't fit in memory: read from their shards anew each epoch, through WebDataset.

An epoch draws an order of the shards, reads a few of them side by side and lets all pictures go through a shuffle
buffer. So it is less mixed than an epoch of pictures in memory, and gives other results. What lies in memory at a time
has a bound that does not depend on how large the dataset is. Threads read and decode ahead while the network learns;
there are no loader processes, and the order does not depend on the threads.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from webdataset import filters, mix
from webdataset.pipeline import DataPipeline

from infra.errors import DataError
from infra.machine import cores
from tasks.nn.seeding import drawn_seed

VERSION = 1  # raised whenever the same shards and seed would give other batches
_CHUNK = 16
_SIDE_BY_SIDE, _OPEN_BYTES = 8, 1 << 29
_BUFFERED, _BUFFER_BYTES = 10_000, 1 << 28
_CHUNKS_AHEAD, _BATCHES_AHEAD = 4, 4
_LEARNT_BATCH = 128

_T = TypeVar("_T")
# Pixels of a picture uint8 [H, W, 3] at the working size, worked out when called, and its class index.
Entry = tuple[Callable[[], np.ndarray], int]


@dataclass(frozen=True)
class Shard:
    """A shard of training pictures: how many there are in it, the size of its file, and how they are read."""

    name: str
    samples: int
    bytes: int
    read: Callable[[], Iterator[Entry]]

    def entries(self) -> Iterator[Entry]:
        """All its pictures. Raises DataError when there are fewer or more than it should have."""
        count = 0
        for entry in self.read():
            count += 1
            yield entry
        if count != self.samples:
            problem = f"shard {self.name} gave {count} pictures where {self.samples} were expected"
            raise DataError(problem, "run verify: the dataset changed since the evaluation began")


@dataclass(frozen=True)
class Streamed:
    """Batches (tasks/nn/batches.py) that are read from shards; all their pictures have the side `size`."""

    shards: tuple[Shard, ...]
    size: int
    device: torch.device
    changes: tuple[Callable[[Tensor], Tensor], ...] = ()

    @property
    def samples(self) -> int:
        """How many pictures there are."""
        return sum(shard.samples for shard in self.shards)

    def per_epoch(self, batch: int) -> int:
        """See Batches."""
        return max(1, self.samples // batch)

    def epoch(self, batch: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """See Batches. Raises DataError when a shard is damaged or not what it was, StorageError."""
        draw = random.Random(drawn_seed(generator))  # noqa: S311 - an order, no secret
        order = list(self.shards)
        draw.shuffle(order)
        lanes = min(len(order), _lanes(self.shards))
        pipeline = DataPipeline(
            mix.RoundRobin([_lane(order[i::lanes]) for i in range(lanes)], longest=True),
            _decoded,
            filters.shuffle(self._buffered(), initial=self._buffered(), rng=draw),
            filters.batched(min(batch, self.samples), collation_fn=_stacked, partial=False),
        )
        batches = (self._brought(images, labels) for images, labels in pipeline)
        yield from _ahead(islice(batches, self.per_epoch(batch)), _BATCHES_AHEAD)

    def map(self, change: Callable[[Tensor], Tensor]) -> "Streamed":
        """See Batches. It is done to each batch as it comes."""
        return replace(self, changes=(*self.changes, change))

    def sample(self, seed: int) -> tuple[Tensor, Tensor]:
        """Pictures to learn from before training, as many as the buffer holds: uint8 [N, S, S, 3] and int64 [N]."""
        batches = self.epoch(_LEARNT_BATCH, torch.Generator().manual_seed(seed))
        found = list(islice(batches, max(1, self._buffered() // _LEARNT_BATCH)))
        return torch.cat([images for images, _ in found]), torch.cat([labels for _, labels in found])

    def _buffered(self) -> int:
        return max(1, min(_BUFFERED, self.samples, _BUFFER_BYTES // (3 * self.size**2)))

    def _brought(self, images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
        found = torch.from_numpy(images).to(self.device)
        for change in self.changes:
            found = change(found)
        return found, torch.from_numpy(labels).to(self.device)


def _lanes(shards: Iterable[Shard]) -> int:
    """How many shards are read side by side: each is held whole, so fewer of large ones."""
    largest = max(shard.bytes for shard in shards)
    return max(1, min(_SIDE_BY_SIDE, _OPEN_BYTES // max(1, largest)))


def _lane(shards: list[Shard]) -> DataPipeline:
    """Chunks of the pictures of some shards, one shard after the other, read ahead."""
    ahead = partial(_ahead, most=_CHUNKS_AHEAD)
    return DataPipeline(partial(iter, shards), _entries, filters.batched(_CHUNK, collation_fn=None), ahead)


def _entries(shards: Iterable[Shard]) -> Iterator[Entry]:
    for shard in shards:
        yield from shard.entries()


def _decoded(chunks: Iterable[list[Entry]]) -> Iterator[tuple[np.ndarray, int]]:
    """Every picture with its class, in the order of the chunks, decoded by as many threads as there are cores."""
    waiting: deque[Future[list[tuple[np.ndarray, int]]]] = deque()
    with _threads(cores()) as pool:
        for chunk in chunks:
            waiting.append(pool.submit(_decode, chunk))
            if len(waiting) > 2 * cores():
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _decode(chunk: list[Entry]) -> list[tuple[np.ndarray, int]]:
    return [(pixels(), label) for pixels, label in chunk]


def _stacked(entries: list[tuple[np.ndarray, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([pixels for pixels, _ in entries]), np.array([label for _, label in entries], dtype=np.int64)


def _ahead(items: Iterator[_T], most: int) -> Iterator[_T]:
    """The same items in the same order, made by a thread up to `most` ahead; what is raised there is raised here."""
    end: Any = object()
    with _threads(1) as pool:
        waiting = deque(pool.submit(next, items, end) for _ in range(most))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(pool.submit(next, items, end))
            yield item


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """So many threads; what still waits for one at the end is not done."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
