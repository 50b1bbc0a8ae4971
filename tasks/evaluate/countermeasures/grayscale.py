"""Training pictures turned gray."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

if TYPE_CHECKING:
    from schemas.evaluate import Grayscale

_CHUNK = 1000


def prepare(countermeasure: "Grayscale", images: Tensor) -> Tensor:
    """uint8 [N, S, S, 3] -> the same shape, three equal channels (luma of ITU-R 601)."""
    del countermeasure
    chunks = [functional.rgb_to_grayscale(c.permute(0, 3, 1, 2), num_output_channels=3) for c in images.split(_CHUNK)]
    return torch.cat([chunk.permute(0, 2, 3, 1) for chunk in chunks]).contiguous()
