from collections import Counter
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.nn.batches import Endless, FitData, Resident, to_float


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_bytes_become_numbers_from_0_to_1_in_channels_last_memory():
    images = torch.arange(2 * 4 * 4 * 3).mul(3).clamp(max=255).to(torch.uint8).view(2, 4, 4, 3)
    before = images.clone()
    x = to_float(images)
    assert (x.shape, x.dtype) == ((2, 3, 4, 4), torch.float32)
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, images.permute(0, 3, 1, 2).float() / 255)
    assert torch.equal(images, before)


def test_every_byte_comes_back_from_its_number():
    images = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    x = to_float(images)
    assert (x.min().item(), x.max().item()) == (0, 1)
    assert torch.equal((x * 255).round().to(torch.uint8).permute(0, 2, 3, 1), images)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 99))
def test_every_pass_has_each_sample_once_but_for_a_short_last_batch(samples, batch, seed):
    a_pass = max(1, samples // batch)
    batches = list(islice(Endless(samples, batch, seeded(seed)), 3 * a_pass))
    for start in range(0, 3 * a_pass, a_pass):
        one = batches[start : start + a_pass]
        counts = Counter(torch.cat(one).tolist())
        assert set(counts.values()) == {1}
        assert len(counts) == (samples if samples < batch else samples - samples % batch)
        assert set(counts) <= set(range(samples))
    assert {len(b) for b in batches} == {min(batch, samples)}


def test_passes_have_different_orders_and_a_seed_has_its_own():
    first, second = (torch.cat(list(islice(Endless(30, 10, seeded(seed)), 6))) for seed in (1, 2))
    assert not torch.equal(first[:30], first[30:])
    assert not torch.equal(first, second)
    assert torch.equal(first, torch.cat(list(islice(Endless(30, 10, seeded(1)), 6))))


def test_a_sample_that_is_left_out_of_one_pass_comes_in_another():
    seen = torch.cat(list(islice(Endless(11, 10, seeded()), 20)))
    assert set(seen.tolist()) == set(range(11))


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 40), st.integers(0, 99))
def test_it_goes_on_exactly_where_it_stood(samples, batch, taken, seed):
    running = Endless(samples, batch, seeded(seed))
    list(islice(running, taken))
    state = {name: tensor.clone() for name, tensor in running.state().items()}
    expected = torch.stack(list(islice(running, 25)))
    restored = Endless(samples, batch, seeded(seed + 1))
    list(islice(restored, taken % 3))
    restored.restore(state)
    assert torch.equal(torch.stack(list(islice(restored, 25))), expected)


def test_its_state_does_not_change_when_it_goes_on():
    running = Endless(10, 4, seeded())
    next(running)
    state = running.state()
    before = {name: tensor.clone() for name, tensor in state.items()}
    list(islice(running, 9))
    assert all(torch.equal(before[name], tensor) for name, tensor in state.items())


def test_the_size_of_a_fit_is_that_of_its_pictures():
    data = FitData(torch.zeros(2, 24, 24, 3, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), ("a", "b"), 1)
    assert data.size == 24


@pytest.mark.parametrize("batch", [5, 10])
def test_fewer_samples_than_a_batch_are_one_batch(batch):
    assert sorted(next(Endless(4, batch, seeded())).tolist()) == [0, 1, 2, 3]


def numbered(samples):
    """Pictures that are told apart by their first value, their number; the class is the number too."""
    images = torch.zeros(samples, 2, 2, 3, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(samples)
    return Resident(images, torch.arange(samples))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 99))
def test_an_epoch_of_pictures_in_memory_has_each_at_most_once_with_its_class(samples, batch, seed):
    data = numbered(samples)
    found = list(data.epoch(batch, seeded(seed)))
    assert len(found) == data.per_epoch(batch) == max(1, samples // batch)
    assert {len(labels) for _, labels in found} == {min(batch, samples)}
    labels = torch.cat([labels for _, labels in found])
    assert len(set(labels.tolist())) == len(labels)
    assert torch.equal(torch.cat([images for images, _ in found])[:, 0, 0, 0].long(), labels)


def test_epochs_of_one_generator_have_different_orders_and_a_seed_has_its_own():
    data, generator = numbered(50), seeded(1)
    first, second = (torch.cat([labels for _, labels in data.epoch(10, generator)]) for _ in range(2))
    again, other = (torch.cat([labels for _, labels in data.epoch(10, seeded(seed))]) for seed in (1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_change_is_done_to_every_picture_and_the_ones_before_stay_as_they_were():
    data = numbered(250)
    data = Resident(torch.cat([data.images] * 9), torch.cat([data.labels] * 9))  # more than one part
    changed = data.map(lambda images: 255 - images)
    assert torch.equal(changed.images, 255 - data.images)
    assert torch.equal(changed.labels, data.labels)
    assert data.images[3, 0, 0, 0] == 3
