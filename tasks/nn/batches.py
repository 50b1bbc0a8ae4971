"""Batches from pictures that stay uint8 until the batch is made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_CHUNK = 1000


@dataclass(frozen=True)
class FitData:
    """Pictures to fit on: uint8 [N, S, S, 3], their classes int64 [N], and their sample keys, N of them."""

    images: Tensor
    labels: Tensor
    keys: tuple[str, ...]
    classes: int

    @property
    def size(self) -> int:
        """Side of the pictures in pixels: the working size."""
        return self.images.shape[1]

    def part(self, chosen: Tensor) -> "FitData":
        """The pictures at int64 [B] `chosen`, in that order."""
        where = chosen.to(self.images.device)
        keys = tuple(self.keys[i] for i in chosen.tolist())
        return FitData(self.images[where], self.labels[where], keys, self.classes)


def to_float(images: Tensor) -> Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, 3, H, W] in [0, 1], in channels_last memory, which NHWC already is."""
    return images.permute(0, 3, 1, 2).to(torch.float32).div_(255)


class Batches(Protocol):
    """Training pictures, wherever they lie, an epoch at a time."""

    def per_epoch(self, batch: int) -> int:
        """How many batches of `batch` pictures an epoch has, at least one."""
        ...

    def epoch(self, batch: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Each picture at most once, in an order that `generator` draws: uint8 [B, S, S, 3] and int64 [B] on a device.

        All batches have the same size; pictures that fill none are left out of this epoch.
        """
        ...

    def map(self, change: Callable[[Tensor], Tensor]) -> "Batches":
        """The same with `change` done to the pictures: uint8 [B, S, S, 3] to the same shape, each by itself."""
        ...


@dataclass(frozen=True)
class Resident:
    """Training pictures that lie in the device's memory: uint8 [N, S, S, 3], and their classes int64 [N]."""

    images: Tensor
    labels: Tensor

    def per_epoch(self, batch: int) -> int:
        """See Batches."""
        return max(1, len(self.images) // batch)

    def epoch(self, batch: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """See Batches."""
        order = torch.randperm(len(self.images), generator=generator).to(self.images.device)
        for i in range(self.per_epoch(batch)):
            chosen = order[i * batch : (i + 1) * batch]
            yield self.images[chosen], self.labels[chosen]

    def map(self, change: Callable[[Tensor], Tensor]) -> "Resident":
        """See Batches. It is done once, now, to parts of the pictures in turn."""
        return Resident(torch.cat([change(part) for part in self.images.split(_CHUNK)]), self.labels)


class Endless:
    """Index batches without end: every sample once, in a fresh random order, then again.

    It runs on where it stands when a round ends, as the released code's iterator does, and where it stands can be
    saved. The last batch of a pass is left out when it is smaller than the others and not the only one, for batch
    normalisation's sake.
    """

    def __init__(self, samples: int, batch: int, generator: torch.Generator):
        self._samples, self._batch = samples, min(batch, samples)
        self._generator = generator
        self._order, self._position = torch.empty(0, dtype=torch.int64), 0

    def __iter__(self) -> "Endless":
        return self

    def __next__(self) -> Tensor:
        """The next batch's indices int64 [B]."""
        if self._position + self._batch > len(self._order):
            self._order, self._position = torch.randperm(self._samples, generator=self._generator), 0
        chosen = self._order[self._position : self._position + self._batch]
        self._position += self._batch
        return chosen

    def state(self) -> dict[str, Tensor]:
        """Where it stands."""
        position = torch.tensor([self._position])
        return {"order": self._order, "position": position, "generator": self._generator.get_state()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from where a `state` stood."""
        self._order, self._position = state["order"], int(state["position"])
        self._generator.set_state(state["generator"])
