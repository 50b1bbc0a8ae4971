"""The L-BFGS form: c |delta|^2 + loss by Adam, within the budget all the same."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from schemas.noise import NoiseBudget
from tasks.nn.batches import to_float
from tasks.noise.penalised import penalised
from tests.tasks.noise.helpers import trained_net

ANY = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
EIGHT = NoiseBudget(epsilon=8)


def objective(model, x, y, delta, penalty):
    with torch.no_grad():
        loss = functional.cross_entropy(model(x + delta), y, reduction="none")
    return loss + penalty * delta.square().sum((1, 2, 3))


def pictures():
    model, images, labels = trained_net()
    return model, to_float(images), (labels + 1) % 3


@pytest.mark.parametrize("penalty", [0.0, 1.0, 20.0])
@pytest.mark.parametrize("budget", [EIGHT, NoiseBudget(norm="l2", epsilon=60)], ids=["linf", "l2"])
def test_it_brings_loss_and_penalty_down_for_nearly_every_picture(fp32, penalty, budget):
    model, x, y = pictures()
    none = torch.zeros_like(x)
    delta = penalised(budget, penalty, 0.05, 20)(model, x, y, none, None)
    before, after = (objective(model, x, y, noise, penalty) for noise in (none, delta))
    assert (after < before).float().mean() > 0.98
    assert not none.any()


def test_a_larger_penalty_gives_shorter_noise(fp32):
    model, x, y = pictures()
    lengths = []
    for penalty in (0.0, 30.0, 1e4):
        delta = penalised(EIGHT, penalty, 0.05, 20)(model, x, y, torch.zeros_like(x), None)
        lengths.append(float(delta.square().sum()))
    assert lengths[0] > lengths[1] > lengths[2]
    assert lengths[2] < 0.02 * lengths[0]


@ANY
@given(
    st.sampled_from(["linf", "l2"]),
    st.integers(1, 64),
    st.floats(0, 50),
    st.floats(0.01, 2),
    st.integers(1, 4),
    st.integers(0, 99),
)
def test_it_stays_within_the_budget_and_the_pictures_range(norm, epsilon, penalty, rate, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    x = (torch.rand(3, 3, 8, 8, generator=generator) * 1.6 - 0.3).clamp(0, 1)
    begin = torch.randn(3, 3, 8, 8, generator=generator) * 0.3
    before = begin.clone()
    budget = NoiseBudget(norm=norm, epsilon=epsilon)
    delta = penalised(budget, penalty, rate, steps)(trained_net()[0], x, torch.arange(3), begin, None)
    size = delta.abs().max() if norm == "linf" else delta.flatten(1).norm(dim=1).max()
    assert size <= epsilon / 255 * (1 + 1e-5)
    assert (x + delta).min() >= 0
    assert (x + delta).max() <= 1
    assert not delta.requires_grad
    assert torch.equal(begin, before)


def test_a_mask_keeps_the_rest_of_the_picture_as_it_is(fp32):
    model, x, y = pictures()
    mask = torch.zeros(len(x), 1, 8, 8)
    mask[:, :, 2:5, 3:7] = 1
    delta = penalised(EIGHT, 1.0, 0.2, 5)(model, x, y, torch.zeros_like(x), mask)
    assert not delta[(mask == 0).expand_as(delta)].any()
    assert (delta.abs().amax((1, 2, 3)) > 0).all()


def test_it_is_the_same_every_time(fp32):
    model, x, y = pictures()
    solve = penalised(EIGHT, 1.0, 0.2, 5)
    assert torch.equal(solve(model, x, y, torch.zeros_like(x), None), solve(model, x, y, torch.zeros_like(x), None))
