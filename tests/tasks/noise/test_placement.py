"""Patches: a square in the picture, the same place for the same key, and every row and column within reach."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import ConfigurationError
from schemas.noise import Placement
from tasks.noise.class_wise import ClassWise
from tasks.noise.pgd import descent
from tasks.noise.placement import Places, drawn, keyed, on, side_of
from tests.tasks.noise.helpers import CPU, KEY, METHODS, OTHER, fit_data, noise_of, spec_of, trained_net

ANY = settings(deadline=None)
SIZES = st.integers(1, 24).flatmap(lambda size: st.tuples(st.just(size), st.integers(1, size)))
NAMES = tuple(f"train-{i:06d}.tar/{i}" for i in range(400))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def square(noise, side):
    """True when what is not zero in int8 [S, S, 3] lies in a square of `side` pixels."""
    rows, columns = (noise.abs().amax(axes).nonzero().flatten() for axes in ((1, 2), (0, 2)))
    return all(len(found) == 0 or found.max() - found.min() < side for found in (rows, columns))


@ANY
@given(SIZES, st.integers(1, 5), st.integers(0, 99))
def test_a_patch_is_laid_into_the_picture_and_taken_out_again(sizes, count, seed):
    size, side = sizes
    places = drawn(Placement(patch=side), count, size, generator(seed))
    patches = torch.rand(count, 3, side, side, generator=generator(seed)) + 0.1
    full = places.embed(patches)
    assert full.shape == (count, 3, size, size)
    for picture, patch, top, left in zip(full, patches, places.top, places.left, strict=True):
        assert torch.equal(picture[:, top : top + side, left : left + side], patch)
        assert int((picture != 0).sum()) == 3 * side * side
    assert torch.equal(places.extract(full), patches)
    mask = places.mask()
    assert mask.shape == (count, 1, size, size)
    assert torch.equal(mask.expand_as(full) == 1, full != 0)
    some = torch.arange(0, count, 2)
    assert torch.equal(places.part(some).embed(patches[some]), full[some])


@ANY
@given(SIZES, st.integers(0, 99))
def test_places_are_inside_the_picture(sizes, seed):
    size, side = sizes
    for places in (
        drawn(Placement(patch=side), 20, size, generator(seed)),
        keyed(Placement(patch=side), [f"{seed}/{i}" for i in range(20)], size, KEY),
    ):
        for corner in (places.top, places.left):
            assert corner.min() >= 0
            assert corner.max() + side <= size


@pytest.mark.parametrize(("size", "side"), [(8, 1), (8, 3), (8, 7), (8, 8), (32, 24)])
def test_every_row_and_column_is_reached_also_the_last(size, side):
    everywhere = list(range(size - side + 1))
    for places in (
        drawn(Placement(patch=side), len(NAMES), size, generator()),
        keyed(Placement(patch=side), NAMES, size, KEY),
    ):
        for corner in (places.top, places.left):
            counts = torch.bincount(corner, minlength=len(everywhere))
            assert len(counts) == len(everywhere)
            expected = len(NAMES) / len(everywhere)
            assert counts.min() > 0.3 * expected
            assert counts.max() < 2 * expected + 10
        assert side == 1 or places.mask().amax((0, 1)).all(), "a pixel that no patch ever covers"
        assert len(everywhere) < 3 or not torch.equal(places.top, places.left)


def test_a_sample_has_one_place_in_any_company_and_another_under_another_key():
    placement = Placement(patch=4)
    one, again = keyed(placement, NAMES, 16, KEY), keyed(placement, NAMES[::-1], 16, KEY)
    assert torch.equal(one.top, again.top.flip(0))
    assert torch.equal(one.left, again.left.flip(0))
    alone = keyed(placement, NAMES[7:8], 16, KEY)
    assert (int(alone.top), int(alone.left)) == (int(one.top[7]), int(one.left[7]))
    other = keyed(placement, NAMES, 16, OTHER)
    assert (one.top != other.top).float().mean() > 0.8


def test_places_that_are_drawn_differ_from_call_to_call():
    running = generator()
    one, two = (drawn(Placement(patch=4), 50, 16, running) for _ in range(2))
    assert (one.top != two.top).any()
    assert (one.left != two.left).any()


@pytest.mark.parametrize(("size", "side", "corner"), [(8, 2, 3), (8, 8, 0), (9, 3, 3), (9, 4, 2)])
def test_a_patch_in_the_centre_is_centred(size, side, corner):
    placement = Placement(patch=side, place="centre")
    for places in (drawn(placement, 3, size, generator()), keyed(placement, NAMES[:3], size, KEY)):
        assert places.top.tolist() == places.left.tolist() == [corner] * 3
        below = size - side - corner
        assert below - corner in (0, 1)


def test_a_whole_picture_has_no_place():
    assert drawn(Placement(), 3, 8, generator()) is None
    assert keyed(Placement(), NAMES[:3], 8, KEY) is None
    assert on(None, CPU) is None
    assert side_of(Placement(), 8) == 8
    assert side_of(Placement(patch=5), 8) == 5


def test_places_move_to_a_device_as_they_are():
    places = Places(torch.tensor([1]), torch.tensor([2]), 3, 8)
    moved = on(places, CPU)
    assert (int(moved.top), int(moved.left), moved.side, moved.size) == (1, 2, 3, 8)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("place", ["random", "centre"])
def test_too_large_a_patch_is_bad_usage_with_a_mend(name, place):
    with pytest.raises(ConfigurationError, match="patch of 9 pixels does not fit into pictures of 8") as caught:
        noise_of(spec_of(name, patch=9, place=place))
    assert "--patch" in caught.value.mend


@pytest.mark.parametrize("name", METHODS)
def test_noise_is_zero_outside_its_square(name):
    noise = noise_of(spec_of(name, patch=3, epsilon=32))
    assert all(square(one, 3) for one in noise)
    assert len({tuple(one.abs().amax(2).nonzero()[0].tolist()) for one in noise if one.any()}) > 1
    centre = noise_of(spec_of(name, patch=4, place="centre", epsilon=32))
    inner = centre[:, 2:6, 2:6].clone()
    assert inner.any()
    centre[:, 2:6, 2:6] = 0
    assert not centre.any()


@pytest.mark.parametrize("name", ["joint", "two-phase", "maximizing sample-wise", "random sample-wise"])
def test_a_patch_lies_where_the_key_puts_it(name):
    data = fit_data()
    mask = keyed(Placement(patch=3), data.keys, 8, KEY).mask().bool().expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    noise = noise_of(spec_of(name, patch=3, epsilon=32), data)
    assert not noise[~mask].any()
    assert noise[mask].any()


def test_while_class_wise_noise_is_made_its_place_is_drawn_anew():
    data, method = fit_data(), METHODS["class-wise"]
    spec = spec_of(method, patch=3)
    state = ClassWise(method, spec, descent(spec.budget, 0.5, 2), data, seed=0)
    state.improve(trained_net()[0])
    chosen = torch.arange(12)
    one, two = state.look_up(chosen), state.look_up(chosen)
    assert not torch.equal(one, two)
    assert state.snapshot().shape == (3, 3, 3, 3)
    totals = [each.abs().sum((1, 2, 3)) for each in (one, two)]
    torch.testing.assert_close(*totals)
