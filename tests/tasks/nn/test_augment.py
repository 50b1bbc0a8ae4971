import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tasks.nn.augment import crop, flip, standard


def pictures(count, height, width):
    """Float [N, 3, H, W], no value twice in a picture and none of them zero, the colour of the padding."""
    values = torch.arange(1, 3 * height * width + 1, dtype=torch.float32).view(1, 3, height, width)
    return (values + 1000 * torch.arange(count).view(-1, 1, 1, 1)).contiguous(memory_format=torch.channels_last)


def offsets_of(x, out, padding):
    """For each picture the offsets at which a plain crop of the padded picture gives what came out."""
    height, width = x.shape[2:]
    found = []
    for picture, cropped in zip(x, out, strict=True):
        padded = functional.pad(picture, (padding, padding, padding, padding))
        found.append(
            {
                (top, left)
                for top in range(2 * padding + 1)
                for left in range(2 * padding + 1)
                if torch.equal(padded[:, top : top + height, left : left + width], cropped)
            }
        )
    return found


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.integers(4, 6), st.integers(4, 6), st.integers(0, 99))
def test_every_picture_is_one_plain_crop_of_itself(padding, height, width, seed):
    x = pictures(4, height, width)
    out = crop(x, padding, seeded(seed))
    assert out.shape == x.shape
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert [len(found) for found in offsets_of(x, out, padding)] == [1] * 4


@pytest.mark.parametrize("padding", [1, 2])
def test_every_offset_is_reached_up_to_the_last_row_and_column(padding):
    x = pictures(400, 5, 7)
    found = {offset for one in offsets_of(x, crop(x, padding, seeded()), padding) for offset in one}
    side = range(2 * padding + 1)
    assert found == {(top, left) for top in side for left in side}


def test_a_flip_mirrors_about_half_of_the_pictures_and_changes_no_other():
    x = pictures(400, 4, 6)
    out = flip(x, seeded())
    mirrored = torch.tensor([torch.equal(a.flip(2), b) for a, b in zip(x, out, strict=True)])
    same = torch.tensor([torch.equal(a, b) for a, b in zip(x, out, strict=True)])
    assert torch.all(mirrored ^ same)
    assert 150 < mirrored.sum() < 250


def test_the_same_seed_gives_the_same_pictures_and_the_global_generator_is_left_alone():
    x = pictures(50, 8, 8)
    before = torch.get_rng_state()
    one, two, other = (standard(x, seeded(seed), 2, True) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_either_part_can_be_left_out():
    x = pictures(50, 8, 8)
    assert torch.equal(standard(x, seeded(), 0, False), x)
    assert torch.equal(standard(x, seeded(3), 0, True), flip(x, seeded(3)))
    assert torch.equal(standard(x, seeded(3), 2, False), crop(x, 2, seeded(3)))
