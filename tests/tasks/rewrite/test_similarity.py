"""Structural similarity: the metric itself, and which pictures of a dataset it is taken over."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from tasks.rewrite import similarity as module
from tasks.rewrite.similarity import Similarity, ssim


def pair(height, width, seed=0, reach=8):
    """A random picture and one within `reach` steps of it."""
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 256, (height, width, 3))
    after = np.clip(before + rng.integers(-reach, reach + 1, before.shape), 0, 255)
    return before.astype(np.uint8), after.astype(np.uint8)


def by_definition(before, after, deviation=1.5):
    """Wang et al. 2004, equation 13, in double precision, a channel at a time, the border mirrored."""
    found = []
    for x, y in zip(before.transpose(2, 0, 1).astype(float), after.transpose(2, 0, 1).astype(float), strict=True):
        blur = [gaussian_filter(each, deviation, truncate=3.5, mode="mirror") for each in (x, y, x * x, y * y, x * y)]
        mx, my, xx, yy, xy = blur
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        above = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
        found.append(above / ((mx**2 + my**2 + c1) * (xx - mx**2 + yy - my**2 + c2)))
    return float(np.mean(found))


def measured(before, after):
    return float(ssim(torch.from_numpy(before)[None], torch.from_numpy(after)[None])[0])


@settings(deadline=None, max_examples=20)
@given(st.integers(11, 40), st.integers(11, 40), st.integers(1, 120), st.integers(0, 2**20))
def test_it_is_what_its_definition_says(height, width, reach, seed):
    before, after = pair(height, width, seed, reach)
    assert measured(before, after) == pytest.approx(by_definition(before, after), abs=1e-3)


@pytest.mark.parametrize(("side", "deviation"), [(3, 0.3), (4, 0.3), (5, 0.6), (8, 0.9), (10, 1.2), (11, 1.5)])
def test_a_small_picture_gets_the_largest_window_that_fits(side, deviation):
    before, after = pair(side, 30)
    assert measured(before, after) == pytest.approx(by_definition(before, after, deviation), abs=1e-3)


def test_the_mean_is_over_pictures_whatever_their_sizes():
    pairs = [pair(*size, seed=seed) for seed, size in enumerate([(8, 8), (32, 20), (8, 8), (40, 12), (64, 64)] * 3)]
    similarity = Similarity(len(pairs))
    for before, after in pairs:
        similarity.add(before, after)
    expected = np.mean([measured(*each) for each in pairs])
    assert similarity.mean() == pytest.approx(expected, abs=1e-5)
    assert similarity.mean() == pytest.approx(expected, abs=1e-5), "asked again"


def test_more_noise_is_less_similar():
    found = [measured(*pair(32, 32, reach=reach)) for reach in (1, 8, 64)]
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < found[0] < 1


def test_more_pictures_than_were_to_come_are_not_counted():
    similarity = Similarity(1)
    first = pair(16, 16)
    for each in (first, pair(16, 16, seed=1)):
        similarity.add(*each)
    assert similarity.mean() == pytest.approx(measured(*first), abs=1e-5)


def test_pictures_without_structure_are_left_out():
    similarity = Similarity(1)
    similarity.add(*pair(2, 40))
    assert similarity.mean() is None
    assert Similarity(0).mean() is None


def test_of_a_large_dataset_a_spread_sample_is_taken_the_same_one_each_time():
    changed = []
    for _ in range(2):
        similarity = Similarity(1000, most=100)
        for turn in range(1000):
            before, after = pair(12, 12, seed=turn, reach=8)
            similarity.add(before, after)
        changed.append(similarity.mean())
        assert similarity._count == 100
    assert changed[0] == changed[1]
    turns = sorted(similarity._chosen)
    assert len(turns) == 100
    assert all(any(start <= turn < start + 100 for turn in turns) for start in range(0, 1000, 100))


def test_of_a_large_picture_the_middle_counts():
    before, after = pair(600, 530)
    similarity = Similarity(1)
    similarity.add(before, after)
    assert similarity.mean() == pytest.approx(measured(before[44:556, 9:521], after[44:556, 9:521]), abs=1e-5)


def test_few_pictures_wait_however_many_sizes_there_are(monkeypatch):
    monkeypatch.setattr(module, "_WAITING_PIXELS", 4000)
    similarity = Similarity(60)
    for seed in range(60):
        similarity.add(*pair(20, 20 + seed, seed))
        waiting = sum(len(each) * shape[0] * shape[1] for shape, each in similarity._waiting.items())
        assert waiting <= 4000
    expected = np.mean([measured(*pair(20, 20 + seed, seed)) for seed in range(60)])
    assert similarity.mean() == pytest.approx(expected, abs=1e-5)
