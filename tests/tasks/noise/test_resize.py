import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from schemas.noise import NoiseBudget
from tasks.noise.budget import whole_steps
from tasks.noise.resize import add, to_pictures

SIDES = st.integers(1, 40)
RANDOM = np.random.default_rng(0)


def linf(epsilon):
    return NoiseBudget(epsilon=epsilon)


def noise(side, epsilon):
    return RANDOM.integers(-epsilon, epsilon + 1, (side, side, 3), dtype=np.int8)


@settings(deadline=None)
@given(SIDES, SIDES, SIDES, st.integers(1, 64))
def test_noise_has_the_size_of_the_picture_and_stays_within_the_budget(side, height, width, epsilon):
    out = to_pictures(noise(side, epsilon)[None], height, width, linf(epsilon))
    assert (out.shape, out.dtype) == ((1, height, width, 3), np.int8)
    assert np.abs(out).max() <= epsilon


@settings(deadline=None)
@given(SIDES, SIDES, SIDES, st.integers(1, 2000), st.integers(0, 99))
def test_noise_that_grows_stays_within_an_l2_ball(side, height, width, epsilon, seed):
    budget = NoiseBudget(norm="l2", epsilon=epsilon)
    made = whole_steps(torch.randn(1, side, side, 3, generator=torch.Generator().manual_seed(seed)) * epsilon, budget)
    out = to_pictures(made.numpy(), height, width, budget)
    assert (out.shape, out.dtype) == ((1, height, width, 3), np.int8)
    assert (out.astype(np.int64) ** 2).sum() <= epsilon**2


@settings(deadline=None)
@given(SIDES, st.integers(1, 64))
def test_noise_of_the_pictures_own_size_is_not_touched(side, epsilon):
    made = noise(side, epsilon)
    assert np.array_equal(to_pictures(made[None], side, side, linf(epsilon))[0], made)


@settings(deadline=None)
@given(SIDES, SIDES, SIDES, st.integers(-64, 64))
def test_even_noise_stays_even(side, height, width, value):
    made = np.full((side, side, 3), value, np.int8)
    assert np.all(to_pictures(made[None], height, width, linf(64)) == value)


def test_noise_is_not_turned_or_mirrored():
    made = np.zeros((2, 2, 3), np.int8)
    made[0, 1] = (8, -8, 4)
    (out,) = to_pictures(made[None], 8, 16, linf(8))
    assert out[0, -1].tolist() == [8, -8, 4]
    assert not out[-1].any()
    assert not out[:, 0].any()


@settings(deadline=None)
@given(st.data(), st.integers(1, 6), st.integers(1, 6))
def test_a_sum_ends_at_0_and_at_255(data, height, width):
    shape = (height, width, 3)
    picture = data.draw(arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 7, 128, 250, 255])))
    change = data.draw(arrays.arrays(np.int8, shape, elements=st.integers(-127, 127)))
    out = add(picture, change)
    assert out.dtype == np.uint8
    assert np.array_equal(out, np.clip(picture.astype(int) + change, 0, 255))


@pytest.mark.parametrize("value", range(0, 256, 15))
def test_every_step_of_noise_is_added_exactly(value):
    change = np.arange(-64, 65, dtype=np.int8).repeat(3).reshape(1, 129, 3)
    out = add(np.full((1, 129, 3), value, np.uint8), change)
    assert np.array_equal(out, np.clip(value + change.astype(int), 0, 255))


def test_noise_that_lies_in_another_order_in_memory_is_added_as_it_reads():
    picture = RANDOM.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    change = RANDOM.integers(-8, 9, (3, 5, 7), dtype=np.int8).transpose(1, 2, 0)
    assert np.array_equal(add(picture, change), np.clip(picture.astype(int) + change, 0, 255))
    made = RANDOM.integers(-8, 9, (2, 3, 6, 6), dtype=np.int8).transpose(0, 2, 3, 1)
    assert np.array_equal(to_pictures(made, 9, 4, linf(8)), to_pictures(np.ascontiguousarray(made), 9, 4, linf(8)))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_noise_is_brought_to_size_alike_alone_and_among_others(norm):
    made = RANDOM.integers(-8, 9, (5, 6, 6, 3), dtype=np.int8)
    made[2] = 0
    budget = NoiseBudget(norm=norm, epsilon={"linf": 5, "l2": 40}[norm])
    together = to_pictures(made, 9, 13, budget)
    for one, out in zip(made, together, strict=True):
        assert np.array_equal(to_pictures(one[None], 9, 13, budget)[0], out)
    assert not together[2].any()
