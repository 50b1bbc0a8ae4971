"""What noise is made from and what a fit hands on. Plain torch; the record that is stored is made by the stage."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from infra.keys import BucketKey

if TYPE_CHECKING:
    from schemas.noise import Application, NoiseBudget, NoiseMethod

Stopped = Literal["at-lambda", "at-cap", "diverged", "no-fit"]


@dataclass(frozen=True)
class NoiseSpec:
    """Which noise is wanted: the method, how far and where it may go, and the bucket's secret key."""

    method: "NoiseMethod"
    budget: "NoiseBudget"
    application: "Application"
    key: BucketKey

    @property
    def truncated(self) -> bool:
        """True when noise becomes whole steps by truncation, as in the released code."""
        return self.application.arithmetic == "as-published"


@dataclass(frozen=True)
class Round:
    """One round of a fit: error rate 0 to 1, mean cross-entropy in nats, seconds, gradient passes over a picture."""

    round: int
    error: float
    loss: float
    seconds: float
    image_steps: int


@dataclass(frozen=True)
class Fitted:
    """Fitted noise: named tensors (noise as int8 in 1/255 steps, or a source model's state) and the fit's history.

    `released_error`: error rate, 0 to 1, of the source model under the noise as it is released, on a part of the fit's
    pictures; None where that is the noise of the rounds, or there is no source model.
    """

    tensors: dict[str, Tensor]
    rounds: tuple[Round, ...] = ()
    kept_round: int | None = None
    stopped: Stopped = "no-fit"
    released_error: float | None = None


@dataclass(frozen=True)
class Batch:
    """Pictures to perturb: uint8 [B, S, S, 3] at the working size, their source classes int64 [B], B sample keys."""

    images: Tensor
    labels: Tensor
    keys: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class NoiseSource:
    """All that noise is made from once fitted: for `classes` classes, at a working size of `size` pixels."""

    spec: NoiseSpec
    tensors: dict[str, Tensor]
    classes: int
    size: int
    device: torch.device


def key_hash(key: str) -> int:
    """A 63-bit number for a sample key (FNV-1a): to find a sample's noise without storing the keys themselves."""
    value = 0xCBF29CE484222325
    for byte in key.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value >> 1


def key_hashes(keys: tuple[str, ...]) -> Tensor:
    """int64 [N]: `key_hash` of each key."""
    return torch.from_numpy(np.array([key_hash(k) for k in keys], dtype=np.int64))
