"""What a host may do to each batch as a network learns from it."""

import copy
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn import functional

from infra import devices
from schemas.countermeasures import (
    AdversarialTraining,
    AutoAugment,
    ColourJitter,
    CutMix,
    Cutout,
    Mixup,
    RandAugment,
    TrivialAugment,
    UEraser,
)
from schemas.recipe import TinyRecipe
from tasks.evaluate import picture_ops
from tasks.evaluate.treatment import module_of, treatment_of
from tasks.nn import train
from tasks.nn.batches import Resident, to_float
from tasks.nn.train import chain
from tests.tasks.nn.helpers import easy, small_net

CLASSES, BATCH, SIZE = 4, 16, 16
MIXING = [Mixup(), Mixup(beta=0.2), CutMix(), CutMix(beta=5.0)]
DRAWN_GLOBALLY = [RandAugment(), TrivialAugment(), AutoAugment(), UEraser(), UEraser(mode="max", draws=3), Mixup()]
OWN_DRAWS = [Cutout(side=6), RandAugment(magnitude=30), TrivialAugment(), AutoAugment(), ColourJitter(), UEraser()]
ATTACKS = [AdversarialTraining(epsilon=8, steps=3), AdversarialTraining(epsilon=2, steps=10)]
ALL = [*OWN_DRAWS, UEraser(mode="max", draws=2), *MIXING, *ATTACKS]
each = partial(pytest.mark.parametrize, "kind", ids=lambda kind: kind.name)
few = settings(deadline=None, max_examples=15)


def batch(count=BATCH, size=SIZE, seed=0):
    """Float [B, 3, S, S] in [0, 1] in channels_last memory, and int64 [B]."""
    images, labels = easy(count, CLASSES, size, seed)
    return to_float(images), labels


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def change_of(kind):
    change = treatment_of(kind).change
    assert change
    return change


def done(kind, model, x, y, generator=None):
    return change_of(kind)(model, x, y, generator or seeded())


@pytest.fixture
def fp32(monkeypatch):
    """Convolutions in fp32, whatever the machine is good at: losses are compared to the last digits."""
    monkeypatch.setattr(devices, "fast_bf16", lambda kind: False)


@pytest.fixture(scope="module")
def trained():
    """A small net that has learnt easy pictures, in train mode, with a gradient in each parameter."""
    model = small_net(CLASSES)
    images, labels = easy(64, CLASSES, SIZE, seed=9)

    def as_they_are(model, x, y, generator):
        return x, y

    list(train.Training(model, Resident(images, labels), TinyRecipe(epochs=6, batch_size=16), as_they_are, 0).epochs())
    model.train()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    return model


@each(ALL)
def test_shape_type_range_and_memory_are_kept_and_pictures_change(kind, trained):
    x, y = batch()
    out, classes = done(kind, trained, x, y, seeded(1))
    assert (out.shape, out.dtype, out.device) == (x.shape, x.dtype, x.device)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= out.min() <= out.max() <= 1
    assert not out.requires_grad
    assert (out != x).flatten(1).any(1).float().mean() > 0.6
    assert torch.equal(x, batch()[0])
    if kind in MIXING:
        assert (classes.shape, classes.dtype) == ((BATCH, CLASSES), torch.float32)
    else:
        assert classes is y


@each(ALL)
def test_the_generator_tells_the_result_and_the_global_one_is_left_as_it_was(kind, trained):
    x, y = batch()
    before = torch.get_rng_state()
    (one, first), (two, second), (other, _) = (done(kind, trained, x, y, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert torch.equal(first, second)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)
    generator = seeded(1)
    done(kind, trained, x, y, generator)
    assert not torch.equal(done(kind, trained, x, y, generator)[0], one)


@each(DRAWN_GLOBALLY)
def test_two_threads_at_once_get_what_each_would_alone(kind, trained):
    x, y = batch()
    together = Barrier(2)

    def several(seed, wait):
        generator, change = seeded(seed), change_of(kind)
        wait()
        return torch.stack([change(trained, x, y, generator)[0] for _ in range(4)])

    alone = [several(seed, lambda: None) for seed in range(2)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda seed: several(seed, lambda: together.wait(timeout=120)), range(2)))
    assert all(torch.equal(a, b) for a, b in zip(alone, found, strict=True))


@each(ALL)
def test_the_network_is_left_as_it_was(kind, trained):
    before = copy.deepcopy(trained.state_dict())
    done(kind, trained, *batch())
    assert all(module.training for module in trained.modules())
    assert all(parameter.requires_grad for parameter in trained.parameters())
    assert all(torch.equal(parameter.grad, torch.full_like(parameter, 0.5)) for parameter in trained.parameters())
    after = trained.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


@each(ALL)
def test_classes_that_are_shares_already_are_taken(kind, trained):
    x, y = batch()
    soft = 0.75 * functional.one_hot(y, CLASSES) + 0.25 * functional.one_hot((y + 1) % CLASSES, CLASSES)
    out, shares = chain(change_of(Mixup()), change_of(kind))(trained, x, soft, seeded())
    assert out.shape == x.shape
    assert shares.shape == (BATCH, CLASSES)
    torch.testing.assert_close(shares.sum(1), torch.ones(BATCH))
    assert shares.min() >= 0


@each(OWN_DRAWS)
def test_each_picture_has_draws_of_its_own(kind, trained):
    x, y = batch(1)
    out, _ = done(kind, trained, x.expand(32, -1, -1, -1), y.expand(32))
    assert len(out.unique(dim=0)) > 8


@each([one for one in ALL if one not in ATTACKS and getattr(one, "mode", "") != "max"])
@pytest.mark.parametrize("more", [0, 1, 9])
def test_the_smallest_pictures_are_taken(kind, more, trained):
    size = module_of(kind).smallest(kind) + more
    assert size - more == (kind.side if isinstance(kind, Cutout) else 1)
    assert done(kind, trained, *batch(size=size))[0].shape == (BATCH, 3, size, size)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@each(ALL)
def test_pictures_on_a_gpu_stay_there(kind, trained):
    x, y = batch()
    out, classes = done(kind, copy.deepcopy(trained).cuda(), x.cuda(), y.cuda())
    assert (out.device.type, classes.device.type, out.shape) == ("cuda", "cuda", x.shape)


def holes(side, height, width, count, seed):
    """For each picture the rows and columns that cutout set to zero, from the first to the last."""
    x = torch.ones(count, 3, height, width)
    out, _ = done(Cutout(side=side), None, x, torch.zeros(count), seeded(seed))
    for picture in out:
        zero = (picture == 0).all(0)
        rows, columns = zero.any(1).nonzero(), zero.any(0).nonzero()
        top, left, bottom, right = int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1
        assert zero.sum() == (bottom - top) * (right - left) == (picture != 1).any(0).sum()
        yield top, bottom, left, right


@few
@given(st.integers(1, 8), st.integers(8, 14), st.integers(8, 14), st.integers(0, 2**32))
def test_cutout_blackens_a_square_cut_off_at_the_border_alone(side, height, width, seed):
    for top, bottom, left, right in holes(side, height, width, 20, seed):
        assert bottom - top == side or (bottom - top < side and (top == 0 or bottom == height))
        assert right - left == side or (right - left < side and (left == 0 or right == width))


def test_cutout_has_its_centre_at_every_pixel():
    tops = torch.tensor([top for top, *_ in holes(3, 8, 8, 600, 0)])
    assert set(tops.tolist()) == set(range(7))  # from the two that are cut off above to the one cut off below
    assert 100 < (tops == 0).sum() < 200  # two of eight centres


def mixed(kind, seed, size=SIZE):
    """Pictures that are full of a number of their own, and classes that tell it, mixed: x, shares, the numbers."""
    numbers = torch.arange(8) / 8
    x = numbers.view(8, 1, 1, 1).expand(8, 3, size, size).contiguous(memory_format=torch.channels_last)
    return *done(kind, small_net(8), x, torch.arange(8), seeded(seed)), numbers


@few
@given(st.sampled_from([Mixup(), Mixup(beta=0.1)]), st.integers(0, 2**32))
def test_mixup_mixes_pictures_and_classes_by_one_share(kind, seed):
    out, shares, numbers = mixed(kind, seed)
    torch.testing.assert_close(shares.sum(1), torch.ones(8))
    assert torch.all((shares > 0).sum(1) <= 2)
    torch.testing.assert_close(out, (shares @ numbers).view(8, 1, 1, 1).expand_as(out))
    torch.testing.assert_close(shares.diagonal(), shares[0, 0].expand(8))


@few
@given(st.sampled_from([CutMix(), CutMix(beta=10.0)]), st.integers(2, 20), st.integers(0, 2**32))
def test_cutmix_gives_each_class_the_area_that_shows_it(kind, size, seed):
    out, shares, numbers = mixed(kind, seed, size)
    for own, picture in enumerate(out):
        areas = torch.stack([(picture[0] == number).sum() for number in numbers]) / size**2
        torch.testing.assert_close(shares[own], areas)
        foreign = picture[0] != numbers[own]
        rows, columns = foreign.any(1), foreign.any(0)
        assert torch.equal(foreign, rows.view(-1, 1) & columns)  # a box
        assert torch.all((rows[1:] != rows[:-1]).sum() <= 2)


@pytest.mark.parametrize("kind", [Mixup, CutMix])
def test_shares_are_drawn_from_the_beta_distribution(kind):
    even, middling = (torch.stack([mixed(kind(beta=b), seed, 8)[1][0, 0] for seed in range(150)]) for b in (1, 10))
    assert even.std() > 1.2 * middling.std()
    if kind is Mixup:  # the border cuts boxes off, so their areas are distributed otherwise
        assert (even.mean() - 0.5).abs() < 0.1
        assert (even.std() - 12**-0.5).abs() < 0.05
        assert (middling.std() - 84**-0.5).abs() < 0.03


@pytest.mark.parametrize("kind", [RandAugment(), TrivialAugment(), AutoAugment()])
def test_augmented_pictures_are_whole_steps(kind, trained):
    out, _ = done(kind, trained, *batch())
    assert torch.equal((out * 255).round() / 255, out)


def test_pictures_that_no_operation_changes_come_back_exactly_or_rounded():
    x, y = batch()
    as_it_is = picture_ops.per_picture(lambda picture: picture)
    assert torch.equal(as_it_is(small_net(), x, y, seeded())[0], x)
    between = torch.rand(8, 3, 9, 9, generator=seeded())
    rounded, _ = as_it_is(small_net(), between, y, seeded())
    assert (rounded - between).abs().max() <= 0.5 / 255 + 1e-6


def test_rand_augment_does_more_with_a_higher_magnitude(trained):
    x, y = batch(200)
    found = [done(RandAugment(magnitude=magnitude), trained, x, y)[0] for magnitude in (0, 9, 30)]
    changes = [float((out - x).abs().mean()) for out in found]
    assert changes == sorted(changes)
    assert changes[0] < changes[2] / 2


def test_colour_jitter_does_more_with_more_strength_and_gray_stays_gray(trained):
    x, y = batch(100)
    found = [done(ColourJitter(strength=strength), trained, x, y)[0] for strength in (0.05, 0.4, 1.0)]
    changes = [float((out - x).abs().mean()) for out in found]
    assert changes == sorted(changes)
    assert changes[0] < 0.03
    gray = x[:, :1].expand(-1, 3, -1, -1)
    out, _ = done(ColourJitter(), trained, gray, y)
    torch.testing.assert_close(out, out[:, :1].expand(-1, 3, -1, -1))
    assert not torch.equal(out, gray)


@torch.no_grad()
def losses(model, x, y):
    return functional.cross_entropy(copy.deepcopy(model).eval()(x), y, reduction="none")


@pytest.mark.usefixtures("fp32")
def test_ueraser_max_takes_the_hardest_of_its_draws(trained):
    x, y = batch(32)
    generator = seeded(3)
    tried = [done(UEraser(), trained, x, y, generator)[0] for _ in range(4)]
    out, _ = done(UEraser(mode="max", draws=4), trained, x, y, seeded(3))
    every = torch.stack([losses(trained, each_, y) for each_ in tried])
    torch.testing.assert_close(losses(trained, out, y), every.amax(0), atol=1e-4, rtol=1e-4)
    assert torch.all(losses(trained, out, y).mean() > every.mean(1))
    taken = torch.stack([(out == each_).flatten(1).all(1) for each_ in tried])
    assert torch.all(taken.any(0))
    assert torch.all(taken.any(1))  # not all from one draw


def test_ueraser_changes_colours_and_places(trained):
    """Channels are shuffled and made brighter in places: a flat gray picture is neither gray nor flat any more."""
    x, y = torch.full((64, 3, SIZE, SIZE), 0.4).contiguous(memory_format=torch.channels_last), torch.zeros(64).long()
    out, _ = done(UEraser(), trained, x, y)
    assert (out.std((2, 3)).amax(1) > 0.02).float().mean() > 0.4
    assert ((out[:, 0] - out[:, 1]).abs().amax((1, 2)) > 0.02).float().mean() > 0.4


@pytest.mark.usefixtures("fp32")
@pytest.mark.parametrize("epsilon", [1, 8, 64])
def test_adversarial_examples_lie_in_the_ball_and_raise_the_loss(epsilon, trained):
    x, y = batch(32, seed=5)
    kind = AdversarialTraining(epsilon=epsilon, steps=5)
    out, _ = done(kind, trained, x, y)
    assert (out - x).abs().max() <= epsilon / 255 + 1e-6
    assert 0 <= out.min() <= out.max() <= 1
    by_chance = (x + (2 * torch.rand(x.shape, generator=seeded(1)) - 1) * epsilon / 255).clamp(0, 1)
    attacked = losses(trained, out, y).mean()
    assert attacked > losses(trained, x, y).mean()
    assert attacked > losses(trained, by_chance, y).mean()


@pytest.mark.usefixtures("fp32")
def test_a_stronger_attack_raises_the_loss_more(trained):
    x, y = batch(32, seed=5)
    kinds = [AdversarialTraining(epsilon=epsilon, steps=steps) for epsilon, steps in ((2, 1), (2, 10), (8, 10))]
    found = [float(losses(trained, done(kind, trained, x, y)[0], y).mean()) for kind in kinds]
    assert found == sorted(found)
    assert found[0] < found[2]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (AdversarialTraining(epsilon=4), "adversarial-training-4"),
        (AdversarialTraining(steps=20, step_size=0.1), "adversarial-training-8-by-20-by-0.1"),
        (UEraser(), "ueraser-lite"),
        (UEraser(mode="max"), "ueraser-max"),
        (UEraser(mode="max", draws=10), "ueraser-max-by-10"),
    ],
)
def test_names_tell_what_is_set(kind, name):
    assert kind.name == name


def test_draws_are_refused_where_they_would_do_nothing():
    with pytest.raises(ValidationError, match="draws are for mode max"):
        UEraser(mode="lite", draws=10)
