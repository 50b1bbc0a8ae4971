"""Error-minimizing noise (Huang et al. 2021): class-wise, sample-wise in two phases, and sample-wise joint."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from infra.errors import DataError
from infra.keys import BucketKey
from tasks.nn import networks
from tasks.nn.batches import to_float
from tasks.nn.fold import fold
from tasks.noise import minmin
from tasks.noise.class_wise import ClassWise
from tasks.noise.fitted import Batch, FitData, Fitted, NoiseSource, key_hashes, to_steps
from tasks.noise.pgd import minimise
from tasks.noise.sample_wise import SampleWise

if TYPE_CHECKING:
    from schemas.noise import ErrorMinimizing

VERSION = 1
_MODEL = "model."


def fit(method: "ErrorMinimizing", epsilon: int, data: FitData, key: BucketKey, on_round: minmin.OnRound) -> Fitted:
    """Rounds of min-min on `data`; see minmin.run.

    Tensors of the result. class-wise: `noise` int8 [classes, 3, S, S]. joint: `noise` int8 [N, S, S, 3] and
    `keys` int64 [N], sorted. two-phase: the source model's state, each name after `model.`.
    """
    seed = key.seed("error-minimizing", method.form, method.procedure)
    if method.form == "class-wise":
        state: minmin.NoiseState = ClassWise(method, epsilon, data, seed)
    else:
        state = SampleWise(method, epsilon, data)
    outcome = minmin.run(method, data, state, seed, on_round)
    return Fitted(_tensors(method, data, outcome), outcome.rounds, outcome.kept, outcome.stopped)


def _tensors(method: "ErrorMinimizing", data: FitData, outcome: minmin.Outcome) -> dict[str, Tensor]:
    if method.form == "class-wise":
        return {"noise": outcome.noise}
    if method.procedure == "joint":
        hashes, order = key_hashes(data.keys).sort()
        return {"keys": hashes, "noise": outcome.noise[order].contiguous()}
    state = outcome.model.state_dict()
    return {_MODEL + name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}


class Perturber:
    """Makes the noise of samples from what was fitted, any batch, in any order, on `device`."""

    def __init__(self, source: NoiseSource):
        self._method: ErrorMinimizing = source.method  # type: ignore[assignment] - the kind found this module
        self._steps, self._device, self._tensors = source.epsilon, source.device, source.tensors
        two_phase = self._method.form == "sample-wise" and self._method.procedure == "two-phase"
        self._model = self._source_model(source.classes, source.size) if two_phase else None

    def _source_model(self, classes: int, size: int) -> nn.Module:
        model = networks.build(self._method.source_model, classes, size, 0, self._method.widths)
        model.load_state_dict({name.removeprefix(_MODEL): tensor for name, tensor in self._tensors.items()})
        return fold(model.to(self._device).to(memory_format=torch.channels_last))

    def noise(self, batch: Batch) -> Tensor:
        """Noise int8 [B, S, S, 3] in 1/255 steps, within +-epsilon. Raises DataError for a sample joint never saw."""
        if self._method.form == "class-wise":
            return self._tensors["noise"][batch.labels.cpu()].permute(0, 2, 3, 1)
        if self._model is None:
            return self._joint(batch)
        return self._perturb(self._model, batch)

    def _joint(self, batch: Batch) -> Tensor:
        known, wanted = self._tensors["keys"], key_hashes(batch.keys)
        places = torch.searchsorted(known, wanted).clamp_(max=len(known) - 1)
        missing = (known[places] != wanted).nonzero().flatten().tolist()
        if missing:
            problem = f"joint noise was never made for sample {batch.keys[missing[0]]}"
            raise DataError(problem, "use --procedure two-phase, which protects new samples, or fit again")
        return self._tensors["noise"][places]

    def _perturb(self, model: nn.Module, batch: Batch) -> Tensor:
        method, epsilon = self._method, self._steps / 255
        parts: list[Tensor] = []
        for chosen in torch.arange(len(batch.images)).split(method.batch_size):
            x = to_float(batch.images[chosen].to(self._device))
            labels = batch.labels[chosen].to(self._device)
            alpha = method.perturb_alpha * epsilon
            zeros = torch.zeros_like(x)
            delta = minimise(model, x, labels, zeros, epsilon=epsilon, alpha=alpha, steps=method.perturb_steps)
            parts.append(to_steps(delta, self._steps).permute(0, 2, 3, 1).cpu())
        return torch.cat(parts)
