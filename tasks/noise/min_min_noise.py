"""What both error-minimizing methods share: they differ in the solver of the inner problem alone."""

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from infra.errors import DataError
from tasks.nn.batches import FitData
from tasks.noise import memory, minmin
from tasks.noise.class_sets import ClassSets, fit_sets
from tasks.noise.class_wise import ClassWise
from tasks.noise.fitted import Batch, Fitted, NoiseSource, NoiseSpec, key_hashes
from tasks.noise.frozen import Frozen, released, stored
from tasks.noise.journal import Journal
from tasks.noise.pgd import Solver
from tasks.noise.sample_wise import SampleWise

if TYPE_CHECKING:
    from schemas.noise import MinMin

_Method = TypeVar("_Method", bound="MinMin")
# Enough to tell an error rate to about 1 %, and a small part of what the fit has cost.
_TRIED = 1000


def fit(method: "MinMin", spec: NoiseSpec, data: FitData, solver: Solver, journal: Journal) -> Fitted:
    """Rounds of min-min on `data`; see minmin.run.

    Tensors of the result. class-wise: `noise` int8 [sets, classes, 3, side, side]. joint: `noise` int8
    [N, S, S, 3] and `keys` int64 [N], sorted. two-phase: the source model's state, each name after `model.`.
    """
    if method.form == "class-wise":
        return fit_sets(spec, journal, lambda name, part: _fit_class_wise(method, spec, data, solver, part, name))
    two_phase = method.procedure == "two-phase"
    seed = spec.key.seed("error-minimizing", method.form, method.procedure)
    noise = SampleWise(method, spec, solver, data)
    outcome = minmin.run(method, data, noise, seed, journal, keep_noise=not two_phase)
    if two_phase:
        return _two_phase(method, spec, data, outcome)
    hashes, order = key_hashes(data.keys).sort()
    return _fitted({"keys": hashes, "noise": outcome.kept.noise[order].contiguous()}, outcome)


def _two_phase(method: "MinMin", spec: NoiseSpec, data: FitData, outcome: minmin.Outcome) -> Fitted:
    """The rounds tell of noise that grew through all of them; what is released starts from zero, and is tried here."""
    tensors = stored(outcome.kept.model)
    generator = torch.Generator().manual_seed(spec.key.seed("error-minimizing", "released"))
    chosen = torch.randperm(len(data.images), generator=generator)[:_TRIED]
    error, _ = released(method, spec, tensors, data.part(chosen))
    return replace(_fitted(tensors, outcome), released_error=error)


def _fit_class_wise(
    method: "MinMin", spec: NoiseSpec, data: FitData, solver: Solver, journal: Journal, name: str
) -> Fitted:
    purpose = ("error-minimizing", method.form, method.procedure)
    seed = spec.key.seed(*purpose) if name == "0" else spec.key.seed(*purpose, name)
    outcome = minmin.run(method, data, ClassWise(method, spec, solver, data, seed), seed, journal)
    return _fitted({"noise": outcome.kept.noise}, outcome)


def _fitted(tensors: dict[str, Tensor], outcome: minmin.Outcome) -> Fitted:
    return Fitted(tensors, outcome.rounds, outcome.kept.number, outcome.stopped)


def wanted_samples(method: "MinMin") -> int | None:
    """See MethodModule."""
    return None if method.procedure == "joint" else method.fit_samples


def fit_bytes(method: "MinMin", samples: int, size: int, classes: int) -> int:
    """See MethodModule."""
    batch = min(samples, method.batch_size)
    if method.form == "class-wise":
        noise = memory.class_noise(classes, size, batch)
    else:
        noise = memory.sample_noise(samples, size, keeps_best=method.procedure == "joint")
    network = memory.network(method.source_model, method.widths, classes, size, batch)
    return memory.pictures(samples, size) + noise + network


def image_steps(method: "MinMin", samples: int) -> int:
    """See MethodModule."""
    share = method.subset if method.form == "class-wise" else 1.0
    return method.max_rounds * (method.model_steps * method.batch_size + round(method.steps * samples * share))


def uses_network(method: "MinMin") -> bool:
    """See MethodModule."""
    return method.form == "sample-wise" and method.procedure == "two-phase"


def shortened(method: _Method) -> _Method:
    """See MethodModule."""
    return method.model_copy(update={"max_rounds": 1})


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
