"""Pictures for the tests of countermeasures, and what becomes of them."""

import numpy as np
import torch

from tasks.evaluate.treatment import treatment_of


def pictures(count=3, size=16, seed=0):
    """uint8 [N, S, S, 3]: colour gradients with some grain, as photographs have."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 180, size)
    colour = ramp[None, :, None, None] * rng.random((count, 1, 1, 3)) + ramp[None, None, :, None] * 0.2
    return torch.from_numpy((colour + rng.integers(0, 40, (count, size, size, 3))).astype(np.uint8))


def gray(values):
    """uint8 [1, S, S, 3] from values [S, S], in three equal channels."""
    rounded = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return torch.from_numpy(np.repeat(rounded[None, :, :, None], 3, axis=3))


def treated(countermeasure, images, labels=None, seed=0):
    """What a countermeasure that works before training makes of uint8 [N, S, S, 3]; without classes given: three."""
    does = treatment_of(countermeasure)
    if does.learn is None:
        return does.pictures(images)
    classes = (torch.arange(len(images)) % 3).to(images.device) if labels is None else labels
    return does.learn(images, classes, seed)(images)
