"""Augmentation of a whole batch at once, on the device that holds it."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from schemas.recipe import Recipe


def crop(x: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Random crop of float [N, 3, H, W] to its own size after padding with zeros by `padding` pixels on each side."""
    n, channels, height, width = x.shape
    top = torch.randint(0, 2 * padding + 1, (n, 1, 1, 1), generator=generator).to(x.device)
    left = torch.randint(0, 2 * padding + 1, (n, 1, 1, 1), generator=generator).to(x.device)
    padded = functional.pad(x, (padding, padding, padding, padding))
    rows = top + torch.arange(height, device=x.device).view(1, 1, height, 1)
    columns = left + torch.arange(width, device=x.device).view(1, 1, 1, width)
    picture = torch.arange(n, device=x.device).view(n, 1, 1, 1)
    channel = torch.arange(channels, device=x.device).view(1, channels, 1, 1)
    return padded[picture, channel, rows, columns].contiguous(memory_format=torch.channels_last)


def flip(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each picture of float [N, 3, H, W] left to right with probability one half."""
    mirrored = (torch.rand(len(x), generator=generator) < 0.5).to(x.device)
    return torch.where(mirrored.view(-1, 1, 1, 1), x.flip(3), x)


def standard(x: Tensor, generator: torch.Generator, crop_padding: int, flips: bool) -> Tensor:
    """The paper's augmentation for CIFAR-10: random crop, then flip; either can be left out."""
    if crop_padding:
        x = crop(x, crop_padding, generator)
    return flip(x, generator) if flips else x


def of(recipe: "Recipe") -> Callable[[Tensor, torch.Generator], Tensor]:
    """What a recipe does to each batch: `standard`, as it asks."""
    return partial(standard, crop_padding=recipe.crop_padding, flips=recipe.flip)
