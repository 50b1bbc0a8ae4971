"""Transforms of torchvision's as changes of a batch: they draw from the global generator, here from the run's own."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from tasks.nn.outputs import outputs
from tasks.nn.seeding import drawn_seed, seeded
from tasks.nn.train import Change


def per_picture(transform: Callable[[Tensor], Tensor]) -> Change:
    """Each picture of a batch through `transform`, by draws of its own; classes stay."""

    def change(model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        del model
        with seeded(drawn_seed(generator)):
            return one_by_one(x, transform), y

    return change


def one_by_one(x: Tensor, transform: Callable[[Tensor], Tensor]) -> Tensor:
    """Float [B, 3, H, W] in [0, 1] as whole steps of 1/255, each picture through `transform` as uint8 [3, H, W].

    torchvision's automatic augmentations draw once a call, whatever they are given: so a picture a call.
    """
    images = x.mul(255).round_().to(torch.uint8)
    done = torch.stack([transform(image) for image in images])
    return done.to(x.dtype).div_(255).contiguous(memory_format=torch.channels_last)


def paired(mix: Callable[[int], v2.Transform]) -> Change:
    """Each picture and its classes mixed with another of the batch, by the transform that `mix` gives for K classes.

    torchvision pairs each picture with the one before it, and a batch's order is random. The share is drawn once a
    batch, as the released codes of Mixup and CutMix do. Gives classes as shares, float [B, K].
    """

    def change(model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        with seeded(drawn_seed(generator)):
            mixed, shares = mix(outputs(model))(x, y)
        return mixed.contiguous(memory_format=torch.channels_last), shares

    return change
