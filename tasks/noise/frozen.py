"""A source model, frozen: it gives any picture its noise by a few steps from zero."""

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.nn import networks
from tasks.nn.batches import FitData, to_float
from tasks.nn.fold import fold
from tasks.noise import method as methods
from tasks.noise.budget import to_steps
from tasks.noise.fitted import Batch, NoiseSource, NoiseSpec
from tasks.noise.measure import measure
from tasks.noise.pgd import Solver
from tasks.noise.placement import keyed, on
from tasks.noise.tensors import prefixed, under

if TYPE_CHECKING:
    from schemas.noise import ErrorMaximizing, MinMin

# A GPU takes one batch at a time: workers that share it would each hold a network's activations there. The lock belongs
# to the process, not to an object: a Frozen can be pickled.
_TURN = threading.Lock()
# On a CPU each worker has its own batch, which is faster (267 pictures a second against 235 at 32 px, two cores), of so
# many pixels at most: else the activations of 128 pictures at 224 px would take gigabytes a worker.
_PIXELS = 128 * 64 * 64


def stored(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A source model's state as named tensors of a fit."""
    return prefixed("model", state)


def source_model(method: "MinMin | ErrorMaximizing", source: NoiseSource) -> nn.Module:
    """The source model of a fit on the source's device, frozen and folded."""
    model = networks.build(method.source_model, source.classes, source.size, 0, method.widths)
    model.load_state_dict(under("model", source.tensors))
    return fold(model.to(source.device))


class Frozen:
    """Makes noise sample by sample: no state a picture, any batch, in any order, on the source's device."""

    def __init__(self, method: "MinMin | ErrorMaximizing", source: NoiseSource, solver: Solver):
        self._source, self._solver = source, solver
        on_cpu = source.device.type == "cpu"
        self._batch = max(1, min(method.batch_size, _PIXELS // source.size**2)) if on_cpu else method.batch_size
        self._model = source_model(method, source)

    def noise(self, batch: Batch) -> Tensor:
        """Noise int8 [B, S, S, 3] in 1/255 steps, within the budget. Threads that share a GPU take turns."""
        spec, device = self._source.spec, self._source.device
        places = keyed(spec.application.placement, batch.keys, self._source.size, spec.key)
        parts: list[Tensor] = []
        for chosen in torch.arange(len(batch.images)).split(self._batch):
            images, labels = batch.images[chosen], batch.labels[chosen].to(device)
            part = None if places is None else on(places.part(chosen), device)
            with self._turn():
                x = to_float(images.to(device))
                delta = self._solver(self._model, x, labels, torch.zeros_like(x), None if part is None else part.mask())
                steps = to_steps(delta, spec.budget, spec.truncated).permute(0, 2, 3, 1)
                parts.append(steps.cpu())
        return torch.cat(parts)

    def _turn(self) -> AbstractContextManager[object]:
        return nullcontext() if self._source.device.type == "cpu" else _TURN


def released(
    method: "MinMin | ErrorMaximizing", spec: NoiseSpec, tensors: dict[str, Tensor], data: FitData
) -> tuple[float, float]:
    """Error rate (0 to 1) and mean loss (nats) of a fit's source model on pictures under their released noise.

    `tensors` are the fit's. The noise is what rewriting would lay onto these pictures at the working size.
    """
    device = data.images.device
    source = NoiseSource(spec, tensors, data.classes, data.size, device)
    noise = methods.perturber(source).noise(Batch(data.images, data.labels, data.keys))

    def look_up(chosen: Tensor) -> Tensor:
        return noise[chosen.cpu()].to(device).permute(0, 3, 1, 2).to(torch.float32).div_(255)

    return measure(source_model(method, source), data, look_up, method.batch_size)
