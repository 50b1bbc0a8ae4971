"""What each countermeasure that needs no training makes of pictures."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError
from scipy import fft, ndimage

from schemas.countermeasures import BitDepth, Blur, Grayscale, Jpeg, Median, Rescale, Sharpen, Standardise
from tests.tasks.evaluate.treated import gray, pictures, treated

few = settings(deadline=None, max_examples=20)
sizes, seeds = st.integers(8, 40), st.integers(0, 2**20)


def noise(count, size, seed):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8))


def by_channel(images, filtered):
    """uint8 [N, S, S, 3] through a filter of one channel [S, S] of one picture."""
    found = [[filtered(picture[..., c]) for c in range(3)] for picture in images.numpy()]
    return np.stack(found).transpose(0, 2, 3, 1)


def fine_detail(images):
    """Energy of uint8 [N, S, S, 3] above half of the highest frequency, in either direction."""
    energy = fft.dctn(images.double().numpy(), axes=(1, 2), norm="ortho") ** 2
    half = images.shape[1] // 2
    return float(energy[:, half:].sum() + energy[:, :half, half:].sum())


@few
@given(st.integers(1, 1200), seeds)
def test_grayscale_gives_three_equal_channels_of_the_luma(count, seed):
    images = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 2, 3, 3), dtype=np.uint8))
    found = treated(Grayscale(), images)
    assert torch.equal(found[..., 0], found[..., 1])
    assert torch.equal(found[..., 0], found[..., 2])
    luma = images.double() @ torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    assert (found[..., 0].double() - luma).abs().max() <= 1.05  # torchvision cuts off, and writes 0.2989


@pytest.mark.parametrize("quality", [5, 10, 50, 95])
def test_jpeg_changes_pictures_as_pillow_does(quality):
    images = pictures(size=32)
    found = treated(Jpeg(quality=quality), images)
    for before, after in zip(images.numpy(), found.numpy(), strict=True):
        assert (before != after).any()
        stream = io.BytesIO()
        Image.fromarray(before).save(stream, "JPEG", quality=quality)
        pillow = np.asarray(Image.open(stream)).astype(int)
        assert np.abs(pillow - after).mean() < 3  # one libjpeg or another; channels are not swapped


@pytest.mark.parametrize(
    "weaker_first",
    [
        [Jpeg(quality=quality) for quality in (95, 50, 5)],
        [BitDepth(bits=bits) for bits in (7, 4, 2, 1)],
        [Blur(sigma=sigma) for sigma in (0.4, 0.5, 1, 2, 5)],
        [Median(side=side) for side in (3, 5, 7)],
        [Rescale(factor=factor) for factor in (2, 4, 8)],
    ],
)
def test_the_stronger_changes_more(weaker_first):
    images = pictures(size=32).int()
    changes = [float((treated(each, images.byte()).int() - images).abs().float().mean()) for each in weaker_first]
    assert changes == sorted(changes)
    assert changes[0] < changes[-1]


@pytest.mark.parametrize("sigma", [0.4, 0.5, 1.0, 2.0])
@few
@given(sizes, seeds)
def test_blur_is_scipys_gaussian_filter(sigma, size, seed):
    images = noise(2, size, seed)
    reach = int(np.ceil(3 * sigma))
    expected = by_channel(
        images, lambda channel: ndimage.gaussian_filter(channel * 1.0, sigma, mode="mirror", radius=reach)
    )
    assert np.abs(treated(Blur(sigma=sigma), images).numpy() - expected).max() < 0.51  # rounding, no more
    endless = by_channel(
        images, lambda channel: ndimage.gaussian_filter(channel * 1.0, sigma, mode="mirror", truncate=6)
    )
    assert np.abs(treated(Blur(sigma=sigma), images).numpy() - endless).max() < 2.5  # what lies beyond is little


@pytest.mark.parametrize("images", [pictures(8, 32), pictures(8, 33), noise(8, 32, 0)])
def test_every_blur_takes_out_fine_detail_and_a_wider_one_more(images):
    left = [fine_detail(treated(Blur(sigma=sigma), images)) / fine_detail(images) for sigma in (0.5, 1, 2)]
    assert left[0] < 0.6
    assert left[1] < 0.2 * left[0]
    assert left[2] < left[1]


@pytest.mark.parametrize("sigma", [0, 0.1, 0.3])
def test_a_blur_that_is_none_is_refused(sigma):
    for kind in (Blur, Sharpen):
        with pytest.raises(ValidationError):
            kind(sigma=sigma)


@pytest.mark.parametrize("side", [3, 5, 7])
@few
@given(sizes, seeds)
def test_median_is_scipys_median_filter(side, size, seed):
    images = noise(2, size, seed)
    expected = by_channel(images, lambda channel: ndimage.median_filter(channel, size=side, mode="nearest"))
    assert np.array_equal(treated(Median(side=side), images).numpy(), expected)


@few
@given(st.integers(1, 7))
def test_bit_depth_keeps_the_highest_bits_from_black_to_white(bits):
    images = gray(np.arange(256).reshape(16, 16))
    found = treated(BitDepth(bits=bits), images)[0, ..., 0].flatten().int()
    levels = found.unique()
    assert len(levels) == 2**bits
    assert (levels[0], levels[-1]) == (0, 255)
    assert levels.diff().max() - levels.diff().min() <= 1
    assert torch.equal(levels[torch.arange(256) >> (8 - bits)], found)


@few
@given(sizes, st.integers(2, 4), st.integers(0, 255), st.integers(0, 255))
def test_rescaling_kills_a_checkerboard_and_keeps_a_flat_picture(size, factor, one, other):
    odd = np.indices((size, size)).sum(0) % 2
    found = treated(Rescale(factor=factor), gray(np.where(odd, one, other)))[0, ..., 0].float()
    assert (found - (one + other) / 2).abs().max() <= 0.51 + 0.02 * abs(one - other)
    flat = gray(np.full((size, size), one))
    assert torch.equal(treated(Rescale(factor=factor), flat), flat)


@pytest.mark.parametrize(("factor", "size"), [(2, 32), (2, 31), (3, 32), (8, 40)])
def test_rescaling_keeps_what_is_coarse(factor, size):
    slope = gray(np.add.outer(np.linspace(0, 120, size), np.linspace(20, 120, size)))
    inner = slice(factor, -factor)
    found = treated(Rescale(factor=factor), slope).int() - slope.int()
    assert found[:, inner, inner].abs().max() <= 3


@few
@given(sizes, seeds, st.integers(5, 45))
def test_standardised_channels_have_the_stated_mean_and_deviation(size, seed, spread):
    rng = np.random.default_rng(seed)
    values = rng.integers(60, 190, (3, 1, 1, 3)) + rng.uniform(-spread, spread, (3, size, size, 3))
    found = treated(Standardise(), torch.from_numpy(values.astype(np.uint8))).double()
    assert (found.mean((1, 2)) - 128).abs().max() < 0.5
    assert (found.std((1, 2), correction=0) - 48).abs().max() < 0.5


@few
@given(sizes, seeds, st.integers(1, 3), st.integers(0, 60))
def test_standardising_undoes_contrast_and_brightness(size, seed, contrast, brightness):
    images = noise(2, size, seed) // 4
    assert torch.equal(treated(Standardise(), images * contrast + brightness), treated(Standardise(), images))


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_flat_channel_becomes_the_mean(value):
    images = noise(2, 9, 0)
    images[0, ..., 1] = value
    found = treated(Standardise(), images)
    assert (found[0, ..., 1] == 128).all()
    assert len(found[0, ..., 0].unique()) > 20
    images[0, 0, 0, 1] = value ^ 1  # one value by one step: no full contrast from that
    assert (treated(Standardise(), images)[0, ..., 1].int() - 128).abs().max() <= 48


@pytest.mark.parametrize("amount", [0.5, 1, 3])
@pytest.mark.parametrize("waves", [2, 5, 9, 16])
def test_sharpening_leaves_of_each_frequency_what_it_states(waves, amount):
    """On a wave that the mirrored border goes on with."""
    size, sigma = 33, 1.0
    wave = np.cos(np.pi * waves * np.arange(size) / (size - 1))
    images = gray(128 + 60 * np.tile(wave, (size, 1)))

    def left(countermeasure):
        values = treated(countermeasure, images)[0, 5, :, 0].double().numpy() - 128
        return values @ wave / (60 * wave @ wave)

    passed = np.exp(-((sigma * np.pi * waves / (size - 1)) ** 2) / 2)
    assert left(Blur(sigma=sigma)) == pytest.approx(passed, abs=0.02)
    stated = passed * (1 + amount * (1 - passed))
    assert left(Sharpen(sigma=sigma, amount=amount)) == pytest.approx(stated, abs=0.02 * (1 + amount))


def test_sharpening_takes_out_fine_detail_but_gives_edges_back():
    images = pictures(8, 32)
    assert fine_detail(treated(Sharpen(), images)) < 0.4 * fine_detail(images)
    edge = gray(np.tile(np.repeat([60, 180], 16), (32, 1)))
    steepest = [
        int(treated(each, edge)[0, 3, :, 0].int().diff().max()) for each in (Blur(), Sharpen(), Sharpen(amount=2))
    ]
    assert steepest[0] < steepest[1] < steepest[2]
