"""A source model, frozen: it gives any picture its noise by a few steps from zero."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.nn import networks
from tasks.nn.batches import to_float
from tasks.nn.fold import fold
from tasks.noise.budget import to_steps
from tasks.noise.fitted import Batch, NoiseSource
from tasks.noise.pgd import Solver
from tasks.noise.placement import keyed, on
from tasks.noise.tensors import prefixed, under

if TYPE_CHECKING:
    from schemas.noise import ErrorMaximizing, MinMin


def stored(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A source model's state as named tensors of a fit."""
    return prefixed("model", state)


class Frozen:
    """Makes noise sample by sample: no state a picture, any batch, in any order, on the source's device."""

    def __init__(self, method: "MinMin | ErrorMaximizing", source: NoiseSource, solver: Solver):
        self._source, self._solver, self._batch = source, solver, method.batch_size
        model = networks.build(method.source_model, source.classes, source.size, 0, method.widths)
        model.load_state_dict(under("model", source.tensors))
        self._model: nn.Module = fold(model.to(source.device))

    def noise(self, batch: Batch) -> Tensor:
        """Noise int8 [B, S, S, 3] in 1/255 steps, within the budget."""
        spec, device = self._source.spec, self._source.device
        images, labels = _sent(batch.images, device), _sent(batch.labels, device)
        places = on(keyed(spec.application.placement, batch.keys, self._source.size, spec.key), device)
        parts: list[Tensor] = []
        for chosen in torch.arange(len(images), device=device).split(self._batch):
            x = to_float(images[chosen])
            mask = None if places is None else places.part(chosen).mask()
            delta = self._solver(self._model, x, labels[chosen], torch.zeros_like(x), mask)
            parts.append(to_steps(delta, spec.budget, spec.truncated).permute(0, 2, 3, 1))
        return torch.cat(parts).cpu()


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device; to a GPU from pinned memory, so that the host need not wait."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
