"""Sample-wise noise during a fit: one tensor a sample."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.nn.batches import FitData, to_float
from tasks.noise.budget import to_steps
from tasks.noise.fitted import NoiseSpec
from tasks.noise.pgd import Solver
from tasks.noise.placement import keyed, on

if TYPE_CHECKING:
    from schemas.noise import MinMin


class SampleWise:
    """One noise a sample, from zeros, so that the first model steps see clean pictures.

    Kept as int8 in 1/255 steps, a quarter of float32: 50,000 pictures of 32 pixels take 154 MB. The steps are
    then taken from rounded noise, which is also what will be stored. A patch has one place a sample, the one on
    which it will be released.
    """

    def __init__(self, method: "MinMin", spec: NoiseSpec, solver: Solver, data: FitData):
        self._method, self._spec, self._solver, self._data = method, spec, solver, data
        device = data.images.device
        self._noise = torch.zeros(data.images.shape, dtype=torch.int8, device=device)
        self._places = on(keyed(spec.application.placement, data.keys, data.size, spec.key), device)

    def look_up(self, chosen: Tensor) -> Tensor:
        """See minmin.NoiseState."""
        return self._noise[chosen].permute(0, 3, 1, 2).to(torch.float32).div_(255)

    def improve(self, model: nn.Module) -> int:
        """See minmin.NoiseState."""
        method = self._method
        for chosen in torch.arange(len(self._noise), device=self._noise.device).split(method.batch_size):
            x = to_float(self._data.images[chosen])
            mask = None if self._places is None else self._places.part(chosen).mask()
            delta = self._solver(model, x, self._data.labels[chosen], self.look_up(chosen), mask)
            self._noise[chosen] = to_steps(delta, self._spec.budget).permute(0, 2, 3, 1)
        return method.steps * len(self._noise)

    def snapshot(self) -> Tensor:
        """int8 [N, S, S, 3] in 1/255 steps."""
        return self._noise.cpu().clone()

    def state(self) -> dict[str, Tensor]:
        """See minmin.NoiseState."""
        return {"noise": self._noise.cpu()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See minmin.NoiseState."""
        self._noise.copy_(state["noise"])
