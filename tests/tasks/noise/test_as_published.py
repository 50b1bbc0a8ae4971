"""The released code's arithmetic: no negative value, and the rest truncated."""

import pytest
import torch

from tasks.noise.fitted import NoiseSource
from tasks.noise.method import module_of
from tests.tasks.noise.helpers import CLASS_WISE, CPU, METHODS, batch_of, fit, fit_data, noise_of, perturber, spec_of

EVERY = pytest.mark.parametrize("name", METHODS)


def signed(spec, fitted, data):
    """The noise of a fit, its negative values included."""
    made = module_of(spec.method.kind).perturber(NoiseSource(spec, fitted.tensors, data.classes, data.size, CPU))
    return made.noise(batch_of(data))


@EVERY
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_it_is_the_positive_half_of_the_truncated_noise(name, norm):
    data, spec = fit_data(), spec_of(name, 40, norm, arithmetic="as-published")
    fitted = fit(spec, data)
    noise = perturber(spec, fitted, data).noise(batch_of(data))
    truncated = signed(spec, fitted, data)
    assert truncated.min() < 0
    assert noise.min() == 0
    assert noise.max() > 0
    assert torch.equal(noise, truncated.clamp(min=0))


@pytest.mark.parametrize("mixture", ["two-sets", "with-uniform"])
@pytest.mark.parametrize("name", CLASS_WISE)
def test_a_mixture_has_no_negative_value_either(name, mixture):
    noise = noise_of(spec_of(name, mixture=mixture, arithmetic="as-published"))
    assert noise.min() == 0
    assert noise.max() > 0


# Joint noise lives as whole steps while it is made: it is rounded there, in either arithmetic.
@pytest.mark.parametrize("name", [name for name in METHODS if not name.endswith("joint")])
def test_no_value_is_further_from_zero_than_when_it_is_rounded(name):
    data = fit_data()
    rounded, truncated = spec_of(name, 43), spec_of(name, 43, arithmetic="as-published")
    one, two = signed(rounded, fit(rounded, data), data), signed(truncated, fit(truncated, data), data)
    lower = one.abs() - two.abs()
    assert set(lower.unique().tolist()) <= {0, 1}
    # Steps of half the budget are whole where it is a sign that they follow.
    assert (lower == 1).any() or name == "maximizing sample-wise"
    assert (one.sign() * two.sign() >= 0).all()


@pytest.mark.parametrize("name", ["joint", "random sample-wise"])
def test_about_half_of_the_noise_is_lost(name):
    kept = float((noise_of(spec_of(name, arithmetic="as-published")) != 0).float().mean())
    assert 0.25 < kept < 0.65
    assert float((noise_of(spec_of(name)) != 0).float().mean()) > 0.7
