"""What the tests of noise share: methods made small, data to fit on, and pictures after noise."""

import functools

import numpy as np
import pytest
import torch

from infra import devices
from infra.keys import BucketKey
from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.noise import (
    Application,
    ErrorMaximizing,
    ErrorMinimizing,
    ErrorMinimizingLBFGS,
    NoiseBudget,
    Placement,
    RandomNoise,
)
from schemas.recipe import TinyRecipe
from tasks.nn.batches import FitData
from tasks.nn.fold import fold
from tasks.noise import method as methods
from tasks.noise import resize
from tasks.noise.fitted import Batch, NoiseSource, NoiseSpec
from tasks.noise.journal import Unkept
from tasks.shard import source
from tasks.shard.index import make_index, merge
from tasks.shard.pictures import encode_png
from tests.tasks.nn.helpers import WIDTHS, easy, plan, small_net, train

KEY, OTHER = BucketKey(b"a key for the tests"), BucketKey(b"another key")
CPU = torch.device("cpu")
MIN_MIN = {
    "widths": WIDTHS,
    "model_steps": 2,
    "min_rounds": 1,
    "max_rounds": 1,
    "stop_error": 0.0,
    "batch_size": 8,
    "steps": 2,
    "perturb_steps": 3,
}
FAST = {**MIN_MIN, "alpha": 0.5}
LBFGS = {**MIN_MIN, "step_size": 0.5}
MAXIMIZING = {
    "widths": WIDTHS,
    "training": TinyRecipe(epochs=1, batch_size=8),
    "max_rounds": 1,
    "stop_error": 1.0,
    "batch_size": 8,
    "steps": 2,
    "alpha": 0.5,
    "subset": 0.5,
}
METHODS = {
    "class-wise": ErrorMinimizing(form="class-wise", subset=0.5, **FAST),
    "two-phase": ErrorMinimizing(form="sample-wise", procedure="two-phase", **FAST),
    "joint": ErrorMinimizing(form="sample-wise", procedure="joint", **FAST),
    "lbfgs class-wise": ErrorMinimizingLBFGS(form="class-wise", subset=0.5, **LBFGS),
    "lbfgs two-phase": ErrorMinimizingLBFGS(form="sample-wise", procedure="two-phase", **LBFGS),
    "lbfgs joint": ErrorMinimizingLBFGS(form="sample-wise", procedure="joint", **LBFGS),
    "maximizing class-wise": ErrorMaximizing(form="class-wise", **MAXIMIZING),
    "maximizing sample-wise": ErrorMaximizing(form="sample-wise", **MAXIMIZING),
    "random class-wise": RandomNoise(form="class-wise"),
    "random sample-wise": RandomNoise(form="sample-wise"),
}
CLASS_WISE = [name for name, method in METHODS.items() if method.form == "class-wise"]
SAMPLE_WISE = [name for name, method in METHODS.items() if method.form == "sample-wise"]


def spec_of(method, epsilon=8, norm="linf", key=KEY, patch=None, place="random", **application):
    """A NoiseSpec; `method` may be a name of METHODS. `application`: mixture, arithmetic."""
    wanted = METHODS[method] if isinstance(method, str) else method
    laid = Application(placement=Placement(patch=patch, place=place), **application)
    return NoiseSpec(wanted, NoiseBudget(norm=norm, epsilon=epsilon), laid, key)


def fit_data(samples=12, classes=3, size=8, seed=0):
    images, labels = easy(samples, classes, size, seed)
    return FitData(images, labels, tuple(f"train-000000.tar/{i:04d}" for i in range(samples)), classes)


def fit(spec, data=None, journal=None):
    """The noise that `spec` wants, fitted to `data`; nothing is kept unless there is a journal."""
    return methods.fit(spec, data or fit_data(), journal or Unkept())


def perturber(spec, fitted, data=None, device=CPU):
    data = data or fit_data()
    return methods.perturber(NoiseSource(spec, fitted.tensors, data.classes, data.size, device))


def noise_of(spec, data=None):
    """Noise int8 [N, S, S, 3] of all of `data`, fitted on it."""
    data = data or fit_data()
    return perturber(spec, fit(spec, data), data).noise(batch_of(data))


def batch_of(data, chosen=slice(None)):
    return Batch(data.images[chosen], data.labels[chosen], data.keys[chosen])


def protected(data, noise, budget):
    """uint8 [N, S, S, 3]: the pictures as they are stored."""
    return resize.add(data.images.numpy(), resize.to_pictures(noise.numpy(), data.size, data.size, budget))


def dataset(folder, counts, red=100):
    """A manifest of pictures of one colour each, so many a class: `red` tells the dataset, green the class."""
    tree, work = Folder(str(folder / "tree")), Folder(str(folder / "work"))
    for place, (name, count) in enumerate(counts.items()):
        for i in range(count):
            tree.write(f"{name}/{i:02d}.png", encode_png(np.full((8, 8, 3), (red, 10 * place, i), np.uint8)))
    spec = SourceSpec(url=tree.url, shard_size=8)
    plan = source.plan(spec)
    return merge(spec, plan, [make_index(spec, unit, work, "i") for unit in plan.units])


@functools.cache
def trained_net(size=8):
    """A small net that has learned the easy data in fp32, folded, and the data."""
    images, labels = easy(96, size=size)
    model = small_net()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(devices, "fast_bf16", lambda kind: False)
        for _ in train(model, images, labels, plan(epochs=4)):
            pass
    return fold(model), images, labels
