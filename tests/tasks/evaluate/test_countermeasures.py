"""What a host may do to pictures before it trains on them: what holds for every kind."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.countermeasures import (
    TIER_A,
    TIER_B,
    BitDepth,
    Blur,
    Countermeasure,
    Dilution,
    EarlyStopping,
    Median,
    NoCountermeasure,
    Rescale,
    Sharpen,
)
from tasks.evaluate.treatment import Treatment, module_of, treatment_of
from tests.tasks.evaluate.treated import pictures, treated

KINDS = [kind() for kind in get_args(get_args(Countermeasure)[0])]
EXTREMES = [
    *(BitDepth(bits=bits) for bits in (1, 7)),
    *(Blur(sigma=sigma) for sigma in (0.4, 10)),
    *(Median(side=side) for side in (5, 7)),
    *(Rescale(factor=factor) for factor in (3, 8)),
    *(Sharpen(sigma=sigma, amount=10) for sigma in (0.4, 3)),
]
EVERY = list(dict.fromkeys([*KINDS, *TIER_A, *TIER_B, *EXTREMES]))
NOTHING_TO_PICTURES = (NoCountermeasure, EarlyStopping, Dilution)


def before_training(countermeasure):
    """True for what changes pictures once, before training."""
    does = treatment_of(countermeasure)
    return does.pictures is not None or does.learn is not None


ON_PICTURES = [each for each in EVERY if before_training(each)]
on_pictures = pytest.mark.parametrize("countermeasure", ON_PICTURES, ids=lambda each: each.name)


@st.composite
def contents(draw, least=8):
    """uint8 [N, S, S, 3]: noise, photograph-like, flat, or black and white, of any size from `least` to 40."""
    count, size, seed = draw(st.integers(1, 9)), draw(st.integers(least, max(40, least))), draw(st.integers(0, 2**20))
    rng, shape = np.random.default_rng(seed), (count, size, size, 3)
    kind = draw(st.sampled_from(["noise", "photograph", "flat", "stark"]))
    if kind == "photograph":
        return pictures(count, size, seed)
    if kind == "noise":
        values = rng.integers(0, 256, shape)
    elif kind == "flat":
        values = np.broadcast_to(rng.integers(0, 256, (count, 1, 1, 3)), shape)
    else:
        values = 255 * rng.integers(0, 2, shape)
    return torch.from_numpy(values.astype(np.uint8))


def test_every_kind_does_something_somewhere_or_is_known_to_do_nothing():
    assert len({kind.kind for kind in KINDS}) == len(KINDS) > 15
    for kind in KINDS:
        does, version = treatment_of(kind), module_of(kind).VERSION
        assert version >= 1
        assert (does == Treatment()) == isinstance(kind, NoCountermeasure | EarlyStopping)
        if isinstance(kind, NOTHING_TO_PICTURES):
            assert (does.pictures, does.learn, does.change) == (None, None, None)


@on_pictures
@settings(deadline=None, max_examples=12)
@given(st.data())
def test_pictures_keep_their_shape_and_type_and_each_is_changed_by_itself(countermeasure, data):
    images = data.draw(contents(max(8, module_of(countermeasure).smallest(countermeasure))))
    labels = torch.arange(len(images)) % 3
    before = images.clone()
    does = treatment_of(countermeasure)
    change = does.learn(images, labels, 0) if does.learn else does.pictures
    found = change(images)
    assert (found.shape, found.dtype, found.device) == (images.shape, torch.uint8, images.device)
    assert found.data_ptr() != images.data_ptr()
    assert torch.equal(images, before)
    size = data.draw(st.integers(1, len(images)))
    assert torch.equal(torch.cat([change(part) for part in images.split(size)]), found)
    backwards = torch.arange(len(images) - 1, -1, -1)
    assert torch.equal(change(images[backwards]), found[backwards])


@on_pictures
def test_pictures_like_photographs_are_changed(countermeasure):
    """All but a few of them: of each, many values, and by more than a rounding over all."""
    size = max(32, module_of(countermeasure).smallest(countermeasure))
    images = pictures(30, size)
    changed = (treated(countermeasure, images).int() - images.int()).abs().flatten(1).float()
    assert ((changed > 0).float().mean(1) > 0.3).float().mean() > 0.9
    assert changed.mean() > 0.3


@on_pictures
def test_the_smallest_pictures_that_it_takes_are_taken(countermeasure):
    size = module_of(countermeasure).smallest(countermeasure)
    images = pictures(4, size)
    assert treated(countermeasure, images, labels=torch.arange(4) % 2).shape == images.shape


@pytest.mark.parametrize(
    ("countermeasure", "smallest"),
    [
        (Blur(sigma=0.5), 3),
        (Blur(sigma=2), 7),
        (Blur(sigma=10), 31),
        (Sharpen(sigma=2), 7),
        (Median(side=5), 5),
        (Rescale(factor=3), 6),
        (BitDepth(), 1),
        (Dilution(), 1),
    ],
)
def test_pictures_may_be_too_small_for_it(countermeasure, smallest):
    assert module_of(countermeasure).smallest(countermeasure) == smallest


@on_pictures
def test_the_same_is_done_each_time(countermeasure):
    size = max(16, module_of(countermeasure).smallest(countermeasure))
    images = pictures(6, size)
    assert torch.equal(treated(countermeasure, images), treated(countermeasure, images))


@settings(deadline=None, max_examples=20)
@given(st.floats(0.01, 100))
@example(0.5)
@example(20)
def test_dilution_is_a_share_of_originals(percent):
    assert treatment_of(Dilution(percent=percent)) == Treatment(clean_share=percent / 100)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@on_pictures
def test_a_gpu_does_the_same(countermeasure):
    """To a step of 1/255, where a sum rounds otherwise; a linear model may learn otherwise altogether."""
    images = pictures(20, max(32, module_of(countermeasure).smallest(countermeasure)))
    there = treated(countermeasure, images.cuda())
    assert there.device.type == "cuda"
    if treatment_of(countermeasure).learn is None:
        assert (there.cpu().int() - treated(countermeasure, images).int()).abs().max() <= 1
