"""Augmentation of a whole batch at once, on the device that holds it, each picture by draws of its own."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.recipe import Recipe
    from tasks.nn.train import Change

_LEAST_AREA, _MOST_ASPECT, _TRIES = 0.08, 4 / 3, 10


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


def rotate(x: Tensor, degrees: float, generator: torch.Generator) -> Tensor:
    """Turn each picture of float [N, 3, H, W] in [0, 1] about its centre by an angle from U(-degrees, degrees).

    Bilinear; what comes into view is black.
    """
    angle = torch.deg2rad(_uniform((len(x),), -degrees, degrees, generator)).to(x.device)
    height, width = x.shape[2:]
    zero, cosine, sine = torch.zeros_like(angle), angle.cos(), angle.sin()
    # Coordinates run from -1 to 1 on both axes, so those of an oblong picture have to be brought to one scale.
    first = torch.stack([cosine, -sine * height / width, zero], 1)
    second = torch.stack([sine * width / height, cosine, zero], 1)
    return _sampled(x, torch.stack([first, second], 1), "zeros")


def resized_crop(x: Tensor, generator: torch.Generator) -> Tensor:
    """Scale a random part of each picture of float [N, 3, H, W] in [0, 1] up to its size, bilinear.

    The part has 8 to 100 % of the picture's area and sides of 3:4 to 4:3 (Szegedy et al. 2015), drawn as torchvision
    draws it: anew, up to ten times, when it is longer than the picture; but its edges may fall between pixels.
    """
    wide, high = _parts(len(x), x.shape[3] / x.shape[2], generator)
    across = (1 - wide) * _uniform((len(x),), -1.0, 1.0, generator)
    down = (1 - high) * _uniform((len(x),), -1.0, 1.0, generator)
    zero = torch.zeros_like(wide)
    theta = torch.stack([torch.stack([wide, zero, across], 1), torch.stack([zero, high, down], 1)], 1)
    return _sampled(x, theta.to(x.device), "border")


def _parts(n: int, aspect: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Width and height of a random part as shares of those of a picture of an `aspect` ratio: float [N], 0 to 1."""
    area = _uniform((n, _TRIES), _LEAST_AREA, 1.0, generator)
    ratio = _MOST_ASPECT ** _uniform((n, _TRIES), -1.0, 1.0, generator) / aspect
    wide, high = (area * ratio).sqrt(), (area / ratio).sqrt()
    fits = (wide <= 1) & (high <= 1)
    first = fits.int().argmax(1, keepdim=True)  # 0 where none fits: then the part is cut off at the picture's edges
    return wide.gather(1, first).squeeze(1).clamp(max=1), high.gather(1, first).squeeze(1).clamp(max=1)


def jitter(x: Tensor, strengths: "Sequence[float]", generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue of float [N, 3, H, W] in [0, 1], in this order.

    `strengths`: the first three are changed by factors from 1 - strength to 1 + strength, the hue is turned by up to
    its strength, a part of the colour circle of at most .5. Each picture has its own draws, values stay in [0, 1],
    and what factors mean is as in torchvision's ColorJitter.
    """
    from kornia import enhance  # slow to import, and only few recipes ask for it

    *factors, hue = strengths
    light, hard, rich = (_uniform((len(x),), max(0.0, 1 - s), 1 + s, generator).to(x.device) for s in factors)
    turn = 2 * torch.pi * _uniform((len(x),), -hue, hue, generator).to(x.device)
    x = (x * light.view(-1, 1, 1, 1)).clamp(0, 1)
    x = enhance.adjust_contrast_with_mean_subtraction(x, hard)
    x = enhance.adjust_saturation_with_gray_subtraction(x, rich)
    x = enhance.adjust_hue(x, turn) if hue else x
    return x.clamp(0, 1).contiguous(memory_format=torch.channels_last)


def of(recipe: "Recipe") -> "Change":
    """What a recipe does to each batch, as it asks: crop, rotation, flip, jitter; classes stay."""

    def change(model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        del model
        if recipe.resized_crop:
            x = resized_crop(x, generator)
        if recipe.crop_padding:
            x = crop(x, recipe.crop_padding, generator)
        if recipe.rotation:
            x = rotate(x, recipe.rotation, generator)
        if recipe.flip:
            x = flip(x, generator)
        if any(recipe.jitter):
            x = jitter(x, recipe.jitter, generator)
        return x, y

    return change


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _sampled(x: Tensor, theta: Tensor, beyond: str) -> Tensor:
    """Float [N, 3, H, W] in [0, 1] at the places that the affine maps [N, 2, 3] lead to, bilinear.

    What lies `beyond` the picture is zeros, or repeats its border.
    """
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    found = functional.grid_sample(x, grid, mode="bilinear", padding_mode=beyond, align_corners=False)
    return found.clamp_(0, 1).contiguous(memory_format=torch.channels_last)  # rounding may lead out of it
