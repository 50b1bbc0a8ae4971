import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torchvision.transforms import v2

from schemas.recipe import Recipe
from tasks.nn import augment
from tasks.nn.augment import crop, flip, jitter, resized_crop, rotate
from tests.tasks.nn.helpers import small_net

torchvision = v2.functional
few = settings(deadline=None, max_examples=20)
seeds = st.integers(0, 2**32)


def pictures(count, height, width):
    """Float [N, 3, H, W], no value twice in a picture and none of them zero, the colour of the padding."""
    values = torch.arange(1, 3 * height * width + 1, dtype=torch.float32).view(1, 3, height, width)
    return (values + 1000 * torch.arange(count).view(-1, 1, 1, 1)).contiguous(memory_format=torch.channels_last)


def colours(count=4, height=12, width=12, seed=0):
    """Float [N, 3, H, W] in [0, 1], whole steps of 1/255, as batches are made."""
    values = torch.randint(0, 256, (count, height, width, 3), generator=seeded(seed))
    return values.permute(0, 3, 1, 2) / 255


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


def reach_for(angle, seed=0):
    """The range of angles in which the first draw of a seed is `angle`, in degrees."""
    return angle / (2 * float(torch.rand(1, generator=seeded(seed))) - 1)


@few
@given(st.integers(1, 3), st.integers(4, 6), st.integers(4, 6), seeds)
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


@pytest.mark.parametrize(("angle", "quarters"), [(90, 1), (180, 2), (270, 3), (-90, -1), (360, 0)])
def test_a_square_picture_is_turned_by_quarters_exactly(angle, quarters):
    x = colours(1)
    torch.testing.assert_close(
        rotate(x, reach_for(angle), seeded()), torch.rot90(x, quarters, (2, 3)), atol=1e-4, rtol=0
    )


def test_an_oblong_picture_keeps_its_shape_and_scale():
    x = colours(1, 6, 10)
    out = rotate(x, reach_for(90), seeded())
    assert out.shape == x.shape
    turned = torch.rot90(x[..., 2:8], 1, (2, 3))
    torch.testing.assert_close(out[..., 2:8], turned, atol=1e-4, rtol=0)
    assert out[..., :2].abs().max() + out[..., 8:].abs().max() < 1e-4


@few
@given(st.floats(-180, 180), st.integers(8, 16), st.integers(8, 16), seeds)
def test_any_angle_turns_as_torchvision_does(angle, height, width, seed):
    x = colours(1, height, width)
    theirs = torchvision.rotate(x, angle, v2.InterpolationMode.BILINEAR)
    torch.testing.assert_close(rotate(x, reach_for(angle, seed), seeded(seed)), theirs, atol=1e-3, rtol=0)


def test_angles_are_drawn_for_each_picture_up_to_the_limit():
    x = torch.zeros(300, 3, 33, 33)
    x[:, :, 16, 31] = 1  # a dot to the right of the centre: where it lands tells the angle
    out = rotate(x, 20, seeded())[:, 0]
    rows, columns = (torch.arange(33.0) - 16).view(33, 1), (torch.arange(33.0) - 16).view(1, 33)
    angles = torch.atan2(-(out * rows).sum((1, 2)), (out * columns).sum((1, 2))).rad2deg()
    assert angles.abs().max() < 20.5
    assert angles.min() < -18
    assert angles.max() > 18
    assert angles.mean().abs() < 2


def ramps(count, height, width):
    """Pictures of which the first channel tells the column and the second the row, in [0, 1]; the third is full."""
    x = torch.ones(count, 3, height, width)
    x[:, 0], x[:, 1] = torch.linspace(0, 1, width), torch.linspace(0, 1, height).view(-1, 1)
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 80)])
def test_a_resized_crop_shows_a_part_of_the_stated_size_and_shape(height, width):
    out = resized_crop(ramps(500, height, width), seeded())
    wide = seen(out[:, 0, 0]) * width
    high = seen(out[:, 1, :, 0]) * height
    area, ratio = wide * high / (height * width), wide / high
    assert area.min() > 0.079
    assert area.max() < 1.001
    assert ratio.min() > 0.749
    assert ratio.max() < 1.335
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        draw = v2.RandomResizedCrop(height)
        picture = torch.zeros(3, 1, 1).expand(3, 10 * height, 10 * width)
        theirs = [draw.make_params([picture]) for _ in range(500)]
    their_area = torch.tensor([each["width"] * each["height"] / (100 * height * width) for each in theirs])
    assert (area.mean() - their_area.mean()).abs() < 0.04
    assert (area.std() - their_area.std()).abs() < 0.03


def seen(ramp):
    """The part of a ramp from 0 to 1 that each of [N, L] shows, from the middle, away from the borders."""
    length = ramp.shape[1]
    first, last = length // 4, 3 * length // 4
    return (ramp[:, last] - ramp[:, first]) * (length - 1) / (last - first)


@few
@given(st.integers(8, 24), st.integers(8, 24), seeds)
def test_a_resized_crop_shows_nothing_but_the_picture(height, width, seed):
    out = resized_crop(ramps(50, height, width), seeded(seed))
    assert (out[:, 2] - 1).abs().max() < 1e-5  # no black seams: the border is repeated
    for axis, length in ((0, width), (1, height)):
        steps = out[:, axis].diff(dim=2 - axis)
        assert steps.min() > -1e-5  # neither turned nor mirrored
        assert steps.max() < 1 / (length - 1) + 1e-5  # scaled up, never down
    assert len(out[:, 0, 0, 0].unique()) > 10


STRENGTHS = [(0.4, 0.4, 0.4, 0.2), (1.0, 0, 0, 0), (0, 1.0, 0, 0), (0, 0, 1.0, 0), (0, 0, 0, 0.5)]


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_jitter_changes_pictures_as_torchvision_does(strengths):
    x, generator = colours(20, 9, 7), seeded(1)
    out = jitter(x, strengths, seeded(1))
    factors = [1 + strength * (2 * torch.rand(20, generator=generator) - 1) for strength in strengths[:3]]
    turns = strengths[3] * (2 * torch.rand(20, generator=generator) - 1)
    for i in range(20):
        theirs = torchvision.adjust_brightness(x[i], float(factors[0][i]))
        theirs = torchvision.adjust_contrast(theirs, float(factors[1][i]))
        theirs = torchvision.adjust_saturation(theirs, float(factors[2][i]))
        theirs = torchvision.adjust_hue(theirs, float(turns[i]))
        torch.testing.assert_close(out[i], theirs, atol=1e-3, rtol=0)  # the one rounds gray's weights, the other not
    assert (out - x).abs().amax((1, 2, 3)).min() > 1e-3


CHANGES = {
    "rotate": lambda x, generator: rotate(x, 0.0, generator),
    "jitter": lambda x, generator: jitter(x, (0.0, 0.0, 0.0, 0.0), generator),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_zero_strength_changes_nothing_up_to_rounding(change):
    x = colours()
    torch.testing.assert_close(change(x, seeded()), x, atol=1e-5, rtol=0)


FIELDS = {
    "resized_crop": True,
    "crop_padding": 3,
    "rotation": 30.0,
    "flip": True,
    "jitter": (0.4, 0.4, 0.4, 0.2),
}
ALONE = {
    "resized_crop": resized_crop,
    "crop_padding": lambda x, generator: crop(x, 3, generator),
    "rotation": lambda x, generator: rotate(x, 30.0, generator),
    "flip": flip,
    "jitter": lambda x, generator: jitter(x, (0.4, 0.4, 0.4, 0.2), generator),
}
NOTHING = {"crop_padding": 0, "flip": False}


def changed(x, y, seed=0, **fields):
    return augment.of(Recipe(**{**NOTHING, **fields}))(small_net(), x, y, seeded(seed))


def test_a_recipe_without_augmentation_changes_nothing():
    x, y = colours(), torch.arange(4)
    out, classes = changed(x, y)
    assert out is x
    assert classes is y


@pytest.mark.parametrize("part", FIELDS)
def test_each_part_of_a_recipe_can_be_had_alone(part):
    x, y = colours(), torch.arange(4)
    out, classes = changed(x, y, **{part: FIELDS[part]})
    assert torch.equal(out, ALONE[part](x, seeded()))
    assert classes is y


def test_a_recipe_with_everything_keeps_shape_range_and_memory_and_heeds_its_seed_alone():
    x, y = colours(30, 16, 16), torch.full((30, 2), 0.5)
    before = torch.get_rng_state()
    (one, shares), (two, _), (other, _) = (changed(x, y, seed, **FIELDS) for seed in (1, 1, 2))
    assert (one.shape, one.dtype, shares is y) == (x.shape, x.dtype, True)
    assert one.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= one.min() <= one.max() <= 1
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(x, colours(30, 16, 16))


@pytest.mark.parametrize("part", [*ALONE])
def test_each_picture_has_draws_of_its_own(part):
    x = colours(1, 16, 16).expand(16, -1, -1, -1)
    found = len(ALONE[part](x, seeded()).unique(dim=0))
    assert found == 2 if part == "flip" else found > 8
