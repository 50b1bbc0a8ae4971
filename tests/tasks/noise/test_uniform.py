import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.noise import NoiseBudget
from tasks.noise.fitted import Batch
from tasks.noise.uniform import uniform
from tests.tasks.noise.helpers import batch_of, fit, fit_data, perturber, spec_of

SEEDS = st.integers(0, 2**128 - 1)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 64), SEEDS)
def test_it_is_spread_evenly_over_the_budget(epsilon, seed):
    noise = uniform(NoiseBudget(epsilon=epsilon), 48, seed)
    assert (noise.dtype, noise.shape) == (torch.int8, (3, 48, 48))
    values = noise.to(torch.float64)
    assert values.abs().max() == epsilon
    assert abs(values.mean()) < 0.1 * epsilon
    # U(-e, e), rounded, has a variance of e^2 / 3 + 1/12 but for its two half-wide ends.
    assert values.square().mean().item() == pytest.approx(epsilon**2 / 3 + 1 / 6, rel=0.06)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 800), SEEDS)
def test_with_l2_it_has_the_budgets_length_but_for_rounding(epsilon, seed):
    noise = uniform(NoiseBudget(norm="l2", epsilon=epsilon), 16, seed).to(torch.int64)
    length = float(noise.square().sum()) ** 0.5
    assert length <= epsilon
    assert length > 0.98 * epsilon or epsilon < 150


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 64), SEEDS)
def test_truncated_it_is_the_same_draw_towards_zero(epsilon, seed):
    budget = NoiseBudget(epsilon=epsilon)
    rounded, truncated = uniform(budget, 12, seed), uniform(budget, 12, seed, truncated=True)
    assert ((rounded.abs() - truncated.abs()) >= 0).all()
    assert ((rounded.abs() - truncated.abs()) <= 1).all()
    assert not torch.equal(rounded, truncated)


def test_a_seed_gives_one_draw_and_another_gives_another():
    budget = NoiseBudget()
    assert torch.equal(uniform(budget, 8, 5), uniform(budget, 8, 5))
    assert not torch.equal(uniform(budget, 8, 5), uniform(budget, 8, 6))


@pytest.mark.parametrize("bit", [0, 31, 32, 64, 127])
def test_every_bit_of_the_seed_counts(bit):
    assert not torch.equal(uniform(NoiseBudget(), 8, 5), uniform(NoiseBudget(), 8, 5 ^ (1 << bit)))


def test_a_samples_draw_depends_neither_on_its_picture_nor_on_its_batch():
    data, spec = fit_data(), spec_of("random sample-wise")
    made = perturber(spec, fit(spec, data))
    black = Batch(torch.zeros_like(data.images), data.labels, data.keys)
    assert torch.equal(made.noise(black), made.noise(batch_of(data)))
