"""Batches from pictures that stay uint8 until the batch is made."""

from collections.abc import Iterator

import torch
from torch import Tensor


def to_float(images: Tensor) -> Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, 3, H, W] in [0, 1], in channels_last memory, which NHWC already is."""
    return images.permute(0, 3, 1, 2).to(torch.float32).div_(255)


def endless(samples: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Index batches without end: every sample once, in a fresh random order, then again.

    It runs on where it stands when a round ends, as the released code's iterator does. The last batch of a pass is
    left out when it is smaller than the others and not the only one, for batch normalisation's sake.
    """
    while True:
        order = torch.randperm(samples, generator=generator)
        chunks = [chunk for chunk in order.split(batch) if len(chunk) == batch or samples < batch]
        yield from chunks
