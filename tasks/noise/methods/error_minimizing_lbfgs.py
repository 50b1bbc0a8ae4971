"""Error-minimizing noise in the L-BFGS form (Huang et al. 2021, appendix I): a penalty in place of projection."""

from typing import TYPE_CHECKING, cast

from tasks.nn.batches import FitData
from tasks.noise import min_min_noise
from tasks.noise.fitted import Fitted, NoiseSource, NoiseSpec
from tasks.noise.journal import Journal
from tasks.noise.method import MakesNoise
from tasks.noise.penalised import penalised

if TYPE_CHECKING:
    from schemas.noise import ErrorMinimizingLBFGS

VERSION = 1

# Of these a solver changes nothing.
wanted_samples = min_min_noise.wanted_samples
fit_bytes = min_min_noise.fit_bytes
image_steps = min_min_noise.image_steps
shortened = min_min_noise.shortened
uses_network = min_min_noise.uses_network


def fit(spec: NoiseSpec, data: FitData, journal: Journal) -> Fitted:
    """Rounds of min-min on `data`; see min_min_noise.fit."""
    method = _method(spec)
    solver = penalised(spec.budget, method.penalty, method.step_size, method.steps)
    return min_min_noise.fit(method, spec, data, solver, journal)


def perturber(source: NoiseSource) -> MakesNoise:
    """What makes the noise of samples; see min_min_noise.perturber."""
    method = _method(source.spec)
    solver = penalised(source.spec.budget, method.penalty, method.step_size, method.perturb_steps)
    return min_min_noise.perturber(method, source, solver)


def _method(spec: NoiseSpec) -> "ErrorMinimizingLBFGS":
    return cast("ErrorMinimizingLBFGS", spec.method)  # the kind found this module
