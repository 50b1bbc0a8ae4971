"""What a host may do to pictures before it trains on them."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from schemas.evaluate import Grayscale, Jpeg, NoCountermeasure
from tasks.evaluate.victim import prepare


def pictures(count=3, size=16, seed=0):
    """uint8 [N, S, S, 3]: colour gradients with some grain, as photographs have."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 180, size)
    colour = ramp[None, :, None, None] * rng.random((count, 1, 1, 3)) + ramp[None, None, :, None] * 0.2
    return torch.from_numpy((colour + rng.integers(0, 40, (count, size, size, 3))).astype(np.uint8))


@pytest.mark.parametrize("countermeasure", [NoCountermeasure(), Grayscale(), Jpeg(quality=10), Jpeg(quality=95)])
@pytest.mark.parametrize("size", [8, 17, 32])
def test_shape_and_type_stay_and_the_input_is_left_alone(countermeasure, size):
    images = pictures(size=size)
    before = images.clone()
    found = prepare(countermeasure, images)
    assert (found.shape, found.dtype) == (images.shape, torch.uint8)
    assert torch.equal(images, before)


def test_none_changes_nothing():
    images = pictures()
    assert torch.equal(prepare(NoCountermeasure(), images), images)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 1200), st.integers(0, 2**20))
def test_grayscale_gives_three_equal_channels_of_the_luma(count, seed):
    images = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 2, 3, 3), dtype=np.uint8))
    found = prepare(Grayscale(), images)
    assert torch.equal(found[..., 0], found[..., 1])
    assert torch.equal(found[..., 0], found[..., 2])
    luma = images.double() @ torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    assert (found[..., 0].double() - luma).abs().max() <= 1.05  # torchvision cuts off, and writes 0.2989


@pytest.mark.parametrize("quality", [5, 10, 50, 95])
def test_jpeg_changes_pictures_as_pillow_does(quality):
    images = pictures(size=32)
    found = prepare(Jpeg(quality=quality), images)
    for before, after in zip(images.numpy(), found.numpy(), strict=True):
        assert (before != after).any()
        stream = io.BytesIO()
        Image.fromarray(before).save(stream, "JPEG", quality=quality)
        pillow = np.asarray(Image.open(stream)).astype(int)
        assert np.abs(pillow - after).mean() < 3  # one libjpeg or another; channels are not swapped


def test_a_lower_quality_changes_more():
    images = pictures(size=32).int()
    changes = [
        float((prepare(Jpeg(quality=q), images.byte()).int() - images).abs().float().mean()) for q in (95, 50, 5)
    ]
    assert changes == sorted(changes)
    assert changes[0] < changes[-1]


def test_every_picture_is_changed_by_itself():
    images = pictures(4, 32)
    assert torch.equal(prepare(Jpeg(quality=10), images)[1:3], prepare(Jpeg(quality=10), images[1:3]))
