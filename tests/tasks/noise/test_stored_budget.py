"""The budget, in whole numbers, on the pixels that rewriting stores: every method, place, norm, mixture, arithmetic.

That a stored file gives these pixels back is for tests/tasks/rewrite/test_application.py and test_protect.py.
"""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.noise import resize
from tasks.noise.fitted import Batch
from tests.tasks.noise.helpers import METHODS, batch_of, fit, fit_data, perturber, spec_of

PLACES = {"whole": {}, "random patch": {"patch": 5}, "centre patch": {"patch": 5, "place": "centre"}}
MIXTURES = ["none", "two-sets", "with-uniform"]
EVERY = [
    (name, place, norm, mixture, arithmetic)
    for name, method in METHODS.items()
    for place in PLACES
    for norm in ("linf", "l2")
    for mixture in (MIXTURES if method.form == "class-wise" else ["none"])
    for arithmetic in ("corrected", "as-published")
]


def spec(name, place, norm, mixture="none", arithmetic="corrected", epsilon=None):
    epsilon = epsilon or {"linf": 8, "l2": 45}[norm]
    return spec_of(name, epsilon, norm, mixture=mixture, arithmetic=arithmetic, **PLACES[place])


@functools.cache
def data():
    """The pictures of a fit, the first ones all black and all white."""
    found = fit_data()
    found.images[:3], found.images[3:6] = 0, 255
    return found


def change_of(wanted, noise, picture, height, width):
    """The change int64 [H, W, 3] of a stored picture that has `noise` in it, brought to another size."""
    larger = np.resize(picture, (height, width, 3)) if (height, width) != picture.shape[:2] else picture
    laid = resize.to_pictures(noise[None], height, width, wanted.budget)[0]
    assert_within(wanted, laid.astype(np.int64))
    return resize.add(larger, laid).astype(np.int64) - larger


def assert_within(wanted, change):
    if wanted.budget.norm == "linf":
        assert np.abs(change).max() <= wanted.budget.epsilon
    else:
        assert (change**2).sum() <= wanted.budget.epsilon**2


@pytest.mark.parametrize(("name", "place", "norm", "mixture", "arithmetic"), EVERY)
def test_it_holds(name, place, norm, mixture, arithmetic):
    wanted = spec(name, place, norm, mixture, arithmetic)
    noise = perturber(wanted, fit(wanted, data()), data()).noise(batch_of(data()))
    assert (noise.dtype, noise.shape) == (torch.int8, (12, 8, 8, 3))
    largest = 0
    for one, picture in zip(noise.numpy(), data().images.numpy(), strict=True):
        for height, width in ((8, 8), (19, 13), (5, 3)):
            change = change_of(wanted, one, picture, height, width)
            assert_within(wanted, change)
            largest = max(largest, np.abs(change).max())
    assert largest > 0, "there was no noise to hold"


@functools.cache
def fitted(name, norm):
    return fit(spec(name, "whole", norm), data())


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["two-phase", "lbfgs two-phase", "maximizing sample-wise", "random sample-wise"]),
    st.sampled_from(list(PLACES)),
    st.sampled_from([("linf", 64), ("l2", 3000)]).flatmap(lambda n: st.tuples(st.just(n[0]), st.integers(1, n[1]))),
    st.sampled_from(["corrected", "as-published"]),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.integers(0, 2**32),
)
def test_it_holds_for_any_epsilon_picture_and_size(name, place, bound, arithmetic, shape, seed):
    norm, epsilon = bound
    wanted = spec(name, place, norm, "none", arithmetic, epsilon)
    random = np.random.default_rng(seed)
    picture = random.choice(np.array([0, 1, 9, 128, 254, 255], np.uint8), (8, 8, 3))
    batch = Batch(torch.from_numpy(picture)[None], torch.tensor([seed % 3]), (str(seed),))
    noise = perturber(wanted, fitted(name, norm), data()).noise(batch)[0].numpy()
    for height, width in ((8, 8), shape):
        assert_within(wanted, change_of(wanted, noise, picture, height, width))


@pytest.mark.parametrize("name", ["class-wise", "two-phase", "joint", "maximizing class-wise", "random class-wise"])
def test_the_budget_is_used(name):
    for epsilon in (1, 2, 8, 31, 64):
        wanted = spec(name, "whole", "linf", epsilon=epsilon)
        grey = fit_data()
        noise = perturber(wanted, fit(wanted, grey), grey).noise(batch_of(grey))
        assert epsilon / 2 <= noise.abs().max() <= epsilon
