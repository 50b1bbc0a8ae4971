import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.shard.scale import to_working

SIDES = st.integers(1, 40)
RANDOM = np.random.default_rng(0)


@settings(deadline=None)
@given(SIDES, SIDES, SIDES)
def test_a_picture_is_brought_to_the_working_size(height, width, side):
    picture = RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = to_working(picture, side)
    assert (out.shape, out.dtype) == ((side, side, 3), np.uint8)
    assert picture.min() <= out.min() <= out.max() <= picture.max()


def test_a_picture_of_the_working_size_is_not_touched():
    picture = RANDOM.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    assert np.array_equal(to_working(picture, 9), picture)


def test_a_picture_that_shrinks_keeps_its_mean():
    picture = RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    out = to_working(picture, 8)
    expected = picture.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))
    assert np.abs(out - expected).max() <= 0.5 + 1e-6
