"""What the tests of noise share: methods made small, data to fit on, and pictures after noise."""

import functools

import numpy as np
import torch

from infra.keys import BucketKey
from schemas.noise import ErrorMinimizing, RandomNoise
from tasks.nn.fold import fold
from tasks.nn.train import train
from tasks.noise import method as methods
from tasks.noise import resize
from tasks.noise.fitted import Batch, FitData, NoiseSource
from tests.tasks.nn.helpers import WIDTHS, easy, plan, small_net, unchanged

KEY, OTHER = BucketKey(b"a key for the tests"), BucketKey(b"another key")
CPU = torch.device("cpu")
FAST = {
    "widths": WIDTHS,
    "model_steps": 2,
    "min_rounds": 1,
    "max_rounds": 1,
    "stop_error": 0.0,
    "batch_size": 8,
    "steps": 2,
    "alpha": 0.5,
    "perturb_steps": 3,
}
METHODS = {
    "class-wise": ErrorMinimizing(form="class-wise", subset=0.5, **FAST),
    "two-phase": ErrorMinimizing(form="sample-wise", procedure="two-phase", **FAST),
    "joint": ErrorMinimizing(form="sample-wise", procedure="joint", **FAST),
    "random class-wise": RandomNoise(form="class-wise"),
    "random sample-wise": RandomNoise(form="sample-wise"),
}


def fit_data(samples=12, classes=3, size=8, seed=0):
    images, labels = easy(samples, classes, size, seed)
    return FitData(images, labels, tuple(f"train-000000.tar/{i:04d}" for i in range(samples)), classes)


def fit(method, epsilon=8, data=None, key=KEY):
    return methods.fit(method, epsilon, data or fit_data(), key, lambda one: None)


def perturber(method, fitted, epsilon=8, data=None, key=KEY):
    data = data or fit_data()
    return methods.perturber(NoiseSource(method, epsilon, fitted.tensors, data.classes, data.size, key, CPU))


def batch_of(data, chosen=slice(None)):
    return Batch(data.images[chosen], data.labels[chosen], data.keys[chosen])


def protected(data, noise, epsilon):
    """uint8 [N, S, S, 3]: the pictures as they are stored."""
    pairs = zip(data.images.numpy(), noise.numpy(), strict=True)
    return np.stack([resize.add(image, resize.to_picture(one, data.size, data.size, epsilon)) for image, one in pairs])


@functools.cache
def trained_net(size=8):
    """A small net that has learned the easy data, folded, and the data."""
    images, labels = easy(96, size=size)
    model = small_net()
    for _ in train(model, images, labels, plan(epochs=4), unchanged, seed=0):
        pass
    return fold(model), images, labels
