"""Sample-wise noise during a fit: one tensor a sample."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.nn.batches import to_float
from tasks.noise.fitted import FitData, to_steps
from tasks.noise.pgd import minimise

if TYPE_CHECKING:
    from schemas.noise import ErrorMinimizing


class SampleWise:
    """One noise a sample, from zeros, so that the first model steps see clean pictures.

    Kept as int8 in 1/255 steps, a quarter of float32: 50,000 pictures of 32 pixels take 154 MB. The steps are
    then taken from rounded noise, which is also what will be stored.
    """

    def __init__(self, method: "ErrorMinimizing", epsilon: int, data: FitData):
        self._method, self._data, self._steps = method, data, epsilon
        self._noise = torch.zeros(data.images.shape, dtype=torch.int8, device=data.images.device)

    def look_up(self, chosen: Tensor) -> Tensor:
        """See minmin.NoiseState."""
        return self._noise[chosen].permute(0, 3, 1, 2).to(torch.float32).div_(255)

    def improve(self, model: nn.Module) -> int:
        """See minmin.NoiseState."""
        method, epsilon = self._method, self._steps / 255
        for chosen in torch.arange(len(self._noise), device=self._noise.device).split(method.batch_size):
            x = to_float(self._data.images[chosen])
            labels, start = self._data.labels[chosen], self.look_up(chosen)
            delta = minimise(model, x, labels, start, epsilon=epsilon, alpha=method.alpha * epsilon, steps=method.steps)
            self._noise[chosen] = to_steps(delta, self._steps).permute(0, 2, 3, 1)
        return method.steps * len(self._noise)

    def snapshot(self) -> Tensor:
        """int8 [N, S, S, 3] in 1/255 steps."""
        return self._noise.cpu().clone()
