"""Random noise, U(-epsilon, epsilon): the paper's baseline."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from infra.keys import BucketKey
from tasks.noise.fitted import Batch, FitData, Fitted, NoiseSource, to_steps
from tasks.noise.minmin import OnRound

if TYPE_CHECKING:
    from schemas.noise import RandomNoise

VERSION = 1


def fit(method: "RandomNoise", epsilon: int, data: FitData, key: BucketKey, on_round: OnRound) -> Fitted:
    """One draw a class, `noise` int8 [classes, 3, S, S]; nothing to fit sample-wise."""
    del on_round
    if method.form == "sample-wise":
        return Fitted({})
    draws = [_draw(data.size, epsilon, key.seed("random", str(label))) for label in range(data.classes)]
    return Fitted({"noise": torch.stack(draws).permute(0, 3, 1, 2).contiguous()})


class Perturber:
    """Makes the noise of samples: by class from the fit, or by sample from the bucket's key and the sample's."""

    def __init__(self, source: NoiseSource):
        self._source = source

    def noise(self, batch: Batch) -> Tensor:
        """Noise int8 [B, S, S, 3] in 1/255 steps, within +-epsilon."""
        source = self._source
        if source.method.form == "class-wise":
            return source.tensors["noise"][batch.labels.cpu()].permute(0, 2, 3, 1)
        draws = [_draw(source.size, source.epsilon, source.key.seed("random", "sample", key)) for key in batch.keys]
        return torch.stack(draws)


def _draw(size: int, epsilon: int, seed: int) -> Tensor:
    """int8 [size, size, 3] in 1/255 steps: U(-epsilon, epsilon), rounded."""
    uniform = torch.rand(size, size, 3, generator=torch.Generator().manual_seed(seed))
    return to_steps((uniform * 2 - 1) * (epsilon / 255), epsilon)
