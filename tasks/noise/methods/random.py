"""Random noise, U(-epsilon, epsilon): the paper's baseline."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tasks.nn.batches import FitData
from tasks.noise import memory
from tasks.noise.class_sets import ClassSets, fit_sets
from tasks.noise.fitted import Batch, Fitted, NoiseSource, NoiseSpec
from tasks.noise.journal import Journal
from tasks.noise.method import MakesNoise
from tasks.noise.placement import keyed, side_of
from tasks.noise.uniform import uniform

if TYPE_CHECKING:
    from schemas.noise import RandomNoise

VERSION = 3
# Two sets: each drawn one by one and as one tensor, and both again as one, which a file copies twice.
_COPIES = 10


def fit(spec: NoiseSpec, data: FitData, journal: Journal) -> Fitted:
    """One draw a class, `noise` int8 [sets, classes, 3, side, side]; nothing to fit sample-wise."""
    if spec.method.form == "sample-wise":
        return Fitted({})
    side = side_of(spec.application.placement, data.size)

    def draw(name: str, _: Journal) -> Fitted:
        purpose = ("random",) if name == "0" else ("random", name)
        seeds = [spec.key.wide_seed(*purpose, str(label)) for label in range(data.classes)]
        draws = [uniform(spec.budget, side, seed, spec.truncated) for seed in seeds]
        return Fitted({"noise": torch.stack(draws)})

    return fit_sets(spec, journal, draw)


def perturber(source: NoiseSource) -> MakesNoise:
    """What makes the noise of samples: by class from the fit, or by sample from the bucket's key and the sample's."""
    return ClassSets(source) if source.spec.method.form == "class-wise" else _SampleWise(source)


def wanted_samples(method: "RandomNoise") -> int:
    """See MethodModule: it looks at no picture."""
    del method
    return 0


def fit_bytes(method: "RandomNoise", samples: int, size: int, classes: int) -> int:
    """See MethodModule: int8 noise a class, of two sets at most, on its way into a file."""
    del samples
    return _COPIES * memory.values(classes, size) if method.form == "class-wise" else 0


def image_steps(method: "RandomNoise", samples: int) -> int:
    """See MethodModule: no network, no gradient."""
    del method, samples
    return 0


def shortened(method: "RandomNoise") -> "RandomNoise":
    """See MethodModule."""
    return method


def uses_network(method: "RandomNoise") -> bool:
    """See MethodModule."""
    del method
    return False


class _SampleWise:
    """A draw for each sample, the same at every call."""

    def __init__(self, source: NoiseSource):
        self._source = source

    def noise(self, batch: Batch) -> Tensor:
        """Noise int8 [B, S, S, 3] in 1/255 steps, within the budget."""
        spec, size = self._source.spec, self._source.size
        side = side_of(spec.application.placement, size)
        seeds = [spec.key.wide_seed("random", "sample", name) for name in batch.keys]
        draws = torch.stack([uniform(spec.budget, side, seed, spec.truncated) for seed in seeds])
        places = keyed(spec.application.placement, batch.keys, size, spec.key)
        return (draws if places is None else places.embed(draws)).permute(0, 2, 3, 1)
