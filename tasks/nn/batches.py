"""Batches from pictures that stay uint8 until the batch is made."""

from dataclasses import dataclass

import torch
from torch import Tensor


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
