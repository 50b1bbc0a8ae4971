"""Where noise lies in a picture: all over it, or in a square patch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from infra.errors import ConfigurationError
from infra.keys import BucketKey

if TYPE_CHECKING:
    from schemas.noise import Placement


@dataclass(frozen=True)
class Places:
    """Upper left corners int64 [B] of patches of `side` pixels in pictures of `size` pixels."""

    top: Tensor
    left: Tensor
    side: int
    size: int

    def embed(self, patches: Tensor) -> Tensor:
        """Patches [B, 3, side, side] -> [B, 3, size, size], zero elsewhere, in channels_last memory."""
        shape = (len(patches), self.size, self.size, patches.shape[1])
        full = torch.zeros(shape, dtype=patches.dtype, device=patches.device)
        full[self._index()] = patches.permute(0, 2, 3, 1)
        return full.permute(0, 3, 1, 2)

    def extract(self, full: Tensor) -> Tensor:
        """[B, 3, size, size] -> patches [B, 3, side, side]."""
        return full.permute(0, 2, 3, 1)[self._index()].permute(0, 3, 1, 2)

    def mask(self) -> Tensor:
        """Float [B, 1, size, size]: 1 in the patch, 0 elsewhere."""
        ones = torch.ones(len(self.top), 1, self.side, self.side, device=self.top.device)
        return self.embed(ones)

    def part(self, chosen: Tensor) -> "Places":
        """The places of some of the pictures."""
        return Places(self.top[chosen], self.left[chosen], self.side, self.size)

    def _index(self) -> tuple[Tensor, Tensor, Tensor]:
        device = self.top.device
        along = torch.arange(self.side, device=device)
        picture = torch.arange(len(self.top), device=device).view(-1, 1, 1)
        return picture, (self.top[:, None] + along)[:, :, None], (self.left[:, None] + along)[:, None, :]


def side_of(placement: "Placement", size: int) -> int:
    """Side in pixels of the noise in pictures of `size` pixels. Raises ConfigurationError for too large a patch."""
    if placement.patch is not None and placement.patch > size:
        problem = f"a patch of {placement.patch} pixels does not fit into pictures of {size} pixels"
        raise ConfigurationError(problem, "give a smaller --patch, or a larger --working-size")
    return placement.patch or size


def drawn(placement: "Placement", count: int, size: int, generator: torch.Generator) -> Places | None:
    """Places for `count` pictures, drawn from `generator` unless the patch has a fixed place; None: whole pictures."""
    if placement.patch is None:
        return None
    side = side_of(placement, size)
    if placement.place == "centre":
        return _centre(count, side, size)
    corners = torch.randint(0, size - side + 1, (2, count), generator=generator)
    return Places(corners[0], corners[1], side, size)


def keyed(placement: "Placement", identities: Sequence[str], size: int, key: BucketKey) -> Places | None:
    """Places for samples, the same at every call: from the bucket's key and each identity; None: whole pictures."""
    if placement.patch is None:
        return None
    side = side_of(placement, size)
    if placement.place == "centre":
        return _centre(len(identities), side, size)
    room = size - side + 1
    corners = [[int(room * key.unit("place", axis, name)) for name in identities] for axis in ("top", "left")]
    return Places(torch.tensor(corners[0]), torch.tensor(corners[1]), side, size)


def on(places: Places | None, device: torch.device) -> Places | None:
    """The same places on a device."""
    return places and Places(places.top.to(device), places.left.to(device), places.side, places.size)


def _centre(count: int, side: int, size: int) -> Places:
    corner = torch.full((count,), (size - side) // 2)
    return Places(corner, corner, side, size)
