"""Class-wise noise as a trigger: told from pictures that carry it and their originals, and laid on others."""

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from infra.errors import ConfigurationError

_EXPLAINED = 0.9
_MOSTLY = 0.9


@dataclass(frozen=True)
class Triggers:
    """A noise a class, int16 [K, H, W, 3] in steps of 1/255, and bool [K]: the classes that have one."""

    noise: Tensor
    known: Tensor

    def digest(self) -> str:
        """SHA-256 of the noise and of who has one."""
        hasher = hashlib.sha256(repr(tuple(self.noise.shape)).encode())
        hasher.update(self.noise.contiguous().numpy().data.cast("B"))
        hasher.update(self.known.contiguous().numpy().data.cast("B"))
        return hasher.hexdigest()

    def on(self, images: Tensor, classes: Tensor) -> Tensor:
        """Pictures uint8 [N, H, W, 3] under the noise of `classes` int64 [N], clipped to 0..255: uint8."""
        return (images.to(torch.int16) + self.noise[classes]).clamp_(0, 255).to(torch.uint8)

    def at(self, size: int) -> "Triggers":
        """The same as victims see it that are shown pictures scaled to side `size`, as shard/scale.py scales them."""
        height, width = self.noise.shape[1:3]
        if (height, width) == (size, size):
            return self
        how = cv2.INTER_AREA if size * size < height * width else cv2.INTER_LINEAR
        scaled = [cv2.resize(each, (size, size), interpolation=how) for each in self.noise.float().numpy()]
        return Triggers(torch.from_numpy(np.stack(scaled)).round().to(torch.int16), self.known)


def triggers(stored: Tensor, originals: Tensor, labels: Tensor, classes: int) -> Triggers:
    """The noise of each of `classes` classes, from pictures uint8 [N, H, W, 3], their originals, and classes int64 [N].

    Changed pictures alone are looked at; a class without any has no noise. A value is the median of the pictures'
    changes there, of those that clipping left alone. Raises ConfigurationError when that does not explain what was done
    to most pictures: sample-wise noise, patches at random places, mixtures.
    """
    changed = (stored != originals).flatten(1).any(1)
    noise = torch.zeros((classes, *stored.shape[1:]), dtype=torch.int16)
    known = torch.zeros(classes, dtype=torch.bool)
    explained, looked_at = 0, 0
    for each in range(classes):
        chosen = (changed & (labels == each)).nonzero().flatten()
        if not len(chosen):
            continue
        after, before = stored[chosen].to(torch.int16), originals[chosen].to(torch.int16)
        noise[each], known[each] = _common(after, before), True
        explained += int(_is_explained(after, before, noise[each]).sum())
        looked_at += len(chosen)
    if not looked_at:
        raise ConfigurationError("no picture is changed", "there is no noise to lay on other pictures")
    if explained < _MOSTLY * looked_at:
        problem = f"one noise a class explains the change of {explained} of {looked_at} pictures only"
        raise ConfigurationError(
            problem, "a backdoor test takes class-wise noise on the whole picture, without a mixture"
        )
    return Triggers(noise, known)


def _common(after: Tensor, before: Tensor) -> Tensor:
    """The median over int16 [n, H, W, 3] of what changed; where every picture may be clipped, the largest change."""
    change = after - before
    whole = (after > 0) & (after < 255)
    median = change.float().masked_fill(~whole, torch.nan).nanmedian(0).values
    largest = change.gather(0, change.abs().argmax(0, keepdim=True))[0]
    return torch.where(whole.any(0), median.nan_to_num(0).to(torch.int16), largest)


def _is_explained(after: Tensor, before: Tensor, noise: Tensor) -> Tensor:
    """Bool [n]: pictures of whose change the noise leaves less than a tenth, by its square."""
    left = ((before + noise).clamp_(0, 255) - after).float().square().flatten(1).sum(1)
    whole = (after - before).float().square().flatten(1).sum(1)
    return left <= (1 - _EXPLAINED) * whole
