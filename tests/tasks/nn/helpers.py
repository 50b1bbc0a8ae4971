"""Small data and networks for the tests of training and of noise."""

from types import SimpleNamespace

import torch

from tasks.nn.batches import Resident
from tasks.nn.networks import tiny
from tasks.nn.train import Training

WIDTHS = (8, 8, 12, 12)


def easy(samples=48, classes=3, size=8, seed=0):
    """uint8 [N, S, S, 3] and int64 [N]: each class bright in a channel of its own, with a little noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(samples) % classes
    images = torch.randint(60, 120, (samples, size, size, 3), generator=generator)
    images[torch.arange(samples), :, :, labels % 3] += 60 + 20 * (labels // 3).view(-1, 1, 1)
    return images.clamp_(0, 255).to(torch.uint8), labels


def small_net(classes=3, seed=0):
    """A tiny network, seeded without a trace in the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return tiny(classes, WIDTHS).to(memory_format=torch.channels_last)


def plan(**changes):
    fields = {"epochs": 3, "batch_size": 16, "lr": 0.05, "momentum": 0.9, "nesterov": False}
    return SimpleNamespace(**{**fields, "weight_decay": 5e-4, "clip": 5.0, "schedule": "constant", **changes})


def unchanged(model, x, y, generator):
    return x, y


def train(model, images, labels, recipe, change=unchanged, seed=0):
    """The epochs of a run on pictures in memory, one by one."""
    return Training(model, Resident(images, labels), recipe, change, seed).epochs()
