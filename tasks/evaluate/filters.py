"""Filters that several countermeasures share: stored pictures to floats, through a filter, and back to whole values."""

import math

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional


def to_values(images: Tensor) -> Tensor:
    """uint8 [N, S, S, 3] -> float32 [N, 3, S, S] with the values that they are, 0 to 255."""
    return images.permute(0, 3, 1, 2).to(torch.float32)


def to_pictures(values: Tensor) -> Tensor:
    """Float [N, 3, S, S] -> uint8 [N, S, S, 3]: rounded, and cut off below 0 and above 255."""
    return values.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def reach(sigma: float) -> int:
    """Pixels to each side that a Gaussian of deviation `sigma` takes in: all but .3 % of its weight."""
    return math.ceil(3 * sigma)


def gaussian(values: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of float [N, 3, S, S], `sigma` in pixels; borders are mirrored, so S has to exceed `reach(sigma)`.

    Columns and rows in turn, which is the same as both at once and costs far less where the window is wide.
    """
    side = 2 * reach(sigma) + 1
    across = functional.gaussian_blur(values, [side, 1], [sigma, sigma])
    return functional.gaussian_blur(across, [1, side], [sigma, sigma])
