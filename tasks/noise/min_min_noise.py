"""The two verbs that both error-minimizing methods share: they differ in the solver of the inner problem alone."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from infra.errors import DataError
from tasks.nn.batches import FitData
from tasks.noise import minmin
from tasks.noise.class_sets import ClassSets, fit_sets
from tasks.noise.class_wise import ClassWise
from tasks.noise.fitted import Batch, Fitted, NoiseSource, NoiseSpec, key_hashes
from tasks.noise.frozen import Frozen, stored
from tasks.noise.journal import Journal
from tasks.noise.pgd import Solver
from tasks.noise.sample_wise import SampleWise

if TYPE_CHECKING:
    from schemas.noise import MinMin


def fit(method: "MinMin", spec: NoiseSpec, data: FitData, solver: Solver, journal: Journal) -> Fitted:
    """Rounds of min-min on `data`; see minmin.run.

    Tensors of the result. class-wise: `noise` int8 [sets, classes, 3, side, side]. joint: `noise` int8
    [N, S, S, 3] and `keys` int64 [N], sorted. two-phase: the source model's state, each name after `model.`.
    """
    if method.form == "class-wise":
        return fit_sets(spec, journal, lambda name, part: _fit_class_wise(method, spec, data, solver, part, name))
    seed = spec.key.seed("error-minimizing", method.form, method.procedure)
    outcome = minmin.run(method, data, SampleWise(method, spec, solver, data), seed, journal)
    if method.procedure == "two-phase":
        return _fitted(stored(outcome.kept.model), outcome)
    hashes, order = key_hashes(data.keys).sort()
    return _fitted({"keys": hashes, "noise": outcome.kept.noise[order].contiguous()}, outcome)


def _fit_class_wise(
    method: "MinMin", spec: NoiseSpec, data: FitData, solver: Solver, journal: Journal, name: str
) -> Fitted:
    purpose = ("error-minimizing", method.form, method.procedure)
    seed = spec.key.seed(*purpose) if name == "0" else spec.key.seed(*purpose, name)
    outcome = minmin.run(method, data, ClassWise(method, spec, solver, data, seed), seed, journal)
    return _fitted({"noise": outcome.kept.noise}, outcome)


def _fitted(tensors: dict[str, Tensor], outcome: minmin.Outcome) -> Fitted:
    return Fitted(tensors, outcome.rounds, outcome.kept.number, outcome.stopped)


def image_steps(method: "MinMin", samples: int) -> int:
    """See MethodModule."""
    share = method.subset if method.form == "class-wise" else 1.0
    return method.max_rounds * (method.model_steps * method.batch_size + round(method.steps * samples * share))


def perturber(method: "MinMin", source: NoiseSource, solver: Solver) -> "ClassSets | Frozen | Joint":
    """What makes the noise of samples from what was fitted; `solver` is for two-phase."""
    if method.form == "class-wise":
        return ClassSets(source)
    return Frozen(method, source, solver) if method.procedure == "two-phase" else Joint(source.tensors)


class Joint:
    """Finds the noise that the fit made for a sample."""

    def __init__(self, tensors: dict[str, Tensor]):
        self._known, self._noise = tensors["keys"], tensors["noise"]

    def noise(self, batch: Batch) -> Tensor:
        """Noise int8 [B, S, S, 3] in 1/255 steps. Raises DataError for a sample that the fit never saw."""
        wanted = key_hashes(batch.keys)
        places = torch.searchsorted(self._known, wanted).clamp_(max=len(self._known) - 1)
        missing = (self._known[places] != wanted).nonzero().flatten().tolist()
        if missing:
            problem = f"joint noise was never made for sample {batch.keys[missing[0]]}"
            raise DataError(problem, "use --procedure two-phase, which protects new samples, or fit again")
        return self._noise[places]
