"""Error-minimizing noise brings the loss of its source model down, in both ways of solving the inner problem."""

import functools

import pytest
import torch

from schemas.noise import ErrorMinimizing, ErrorMinimizingLBFGS
from tasks.nn import networks
from tasks.nn.batches import FitData, to_float
from tasks.nn.fold import fold
from tasks.noise.pgd import error_and_loss
from tests.tasks.nn.helpers import WIDTHS
from tests.tasks.noise.helpers import batch_of, fit, fit_data, perturber, spec_of

SHORT = {"widths": WIDTHS, "model_steps": 5, "min_rounds": 1, "max_rounds": 5, "batch_size": 16, "lr": 0.05}
KINDS = [ErrorMinimizing, ErrorMinimizingLBFGS]
EVERY = pytest.mark.parametrize("schema", KINDS, ids=["pgd", "lbfgs"])


@functools.cache
def data():
    """Pictures whose classes say nothing, so that only noise can make them easy."""
    easy = fit_data(48)
    order = torch.randperm(48, generator=torch.Generator().manual_seed(0))
    return FitData(easy.images[order], easy.labels, easy.keys, easy.classes)


@EVERY
@pytest.mark.parametrize("form", ["two-phase", "joint", "class-wise"])
def test_the_error_falls_by_rounds(schema, form):
    how = {"form": "class-wise", "subset": 1.0} if form == "class-wise" else {"procedure": form}
    fitted = fit(spec_of(schema(**SHORT, **how, steps=8, stop_error=0.0), 40), data())
    errors = [one.error for one in fitted.rounds]
    assert fitted.rounds[fitted.kept_round - 1].error == min(errors)
    assert min(errors) < (0.5 if schema is ErrorMinimizing else 0.8) * max(errors)
    assert fitted.stopped == ("at-lambda" if min(errors) == 0 else "at-cap")


@EVERY
def test_a_frozen_source_model_reads_every_picture_better_with_its_noise(schema):
    spec = spec_of(schema(**SHORT, procedure="two-phase", steps=8, perturb_steps=20, stop_error=0.0), 16)
    fitted = fit(spec, data())
    noise = perturber(spec, fitted, data()).noise(batch_of(data())).permute(0, 3, 1, 2).float() / 255
    model = networks.build("tiny", 3, 8, 0, WIDTHS)
    model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in fitted.tensors.items()})
    frozen, x = fold(model), to_float(data().images)
    (wrong, loss), (less_wrong, less_loss) = (error_and_loss(frozen, z, data().labels) for z in (x, x + noise))
    assert less_loss < 0.9 * loss
    assert less_wrong <= wrong


@EVERY
@pytest.mark.parametrize("error", [0.9, 0.0])
def test_it_says_whether_lambda_was_reached(schema, error):
    spec = spec_of(schema(**{**SHORT, "max_rounds": 2, "lr": 1e-9}, steps=1, stop_error=error))
    fitted = fit(spec, data())
    assert (len(fitted.rounds), fitted.stopped) == ((1, "at-lambda") if error else (2, "at-cap"))
