"""Pictures read from their shards anew each epoch: all of them, in a seeded order, few of them in memory."""

import threading
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import DataError
from tasks.evaluate import streaming
from tasks.evaluate.streaming import Shard, Streamed
from tasks.nn.train import Training
from tests.tasks.nn.helpers import easy, plan, small_net, unchanged

CPU = torch.device("cpu")


def numbered(number, size):
    """A picture that is told apart by its first two values."""
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[0, 0, :2] = divmod(number, 256)
    return pixels


def numbers(images):
    return (images[:, 0, 0, 0].long() * 256 + images[:, 0, 0, 1].long()).tolist()


def shards_of(counts, size=4, told=None, large=1):
    """Shards of so many pictures, numbered through; the class is the number too. `told` hears of each that is read."""
    first = np.cumsum([0, *counts]).tolist()

    def read(start, count):
        for number in range(start, start + count):
            if told is not None:
                told.append(number)
            yield partial(numbered, number, size), number

    return tuple(
        Shard(f"s{i}", count, large, partial(read, first[i], count)) for i, count in enumerate(counts) if count
    )


def epoch(streamed, batch=8, seed=0):
    return list(streamed.epoch(batch, torch.Generator().manual_seed(seed)))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=14).filter(any), st.integers(1, 40), st.integers(0, 9))
def test_an_epoch_has_every_picture_at_most_once_with_its_class(counts, batch, seed):
    streamed = Streamed(shards_of(counts), 4, CPU)
    found = epoch(streamed, batch, seed)
    assert streamed.samples == sum(counts)
    assert len(found) == streamed.per_epoch(batch) == max(1, sum(counts) // batch)
    assert {images.shape for images, _ in found} == {(min(batch, sum(counts)), 4, 4, 3)}
    assert {(images.dtype, labels.dtype) for images, labels in found} == {(torch.uint8, torch.int64)}
    seen = [number for images, _ in found for number in numbers(images)]
    assert seen == [label for _, labels in found for label in labels.tolist()]
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(range(sum(counts)))


def order(streamed, seed=0, generator=None):
    generator = generator or torch.Generator().manual_seed(seed)
    return [number for images, _ in streamed.epoch(4, generator) for number in numbers(images)]


def test_a_seed_has_its_order_and_each_epoch_of_a_run_its_own():
    streamed = Streamed(shards_of([30] * 10), 4, CPU)
    assert order(streamed, 1) == order(streamed, 1)
    assert order(streamed, 1) != order(streamed, 2)
    generator = torch.Generator().manual_seed(1)
    assert order(streamed, generator=generator) == order(streamed, 1)
    assert order(streamed, generator=generator) != order(streamed, 1)


def test_the_order_does_not_depend_on_how_fast_threads_are(monkeypatch):
    streamed = Streamed(shards_of([40] * 9), 4, CPU)
    expected = order(streamed)
    rng, read = np.random.default_rng(0), streaming._decode

    def at_times_slow(chunk):
        threading.Event().wait(rng.random() / 100)
        return read(chunk)

    monkeypatch.setattr(streaming, "_decode", at_times_slow)
    for cores in (1, 7):
        monkeypatch.setattr(streaming, "cores", lambda cores=cores: cores)
        assert order(streamed) == expected


def test_the_global_generators_are_left_alone():
    before, drawn = torch.get_rng_state(), np.random.get_state()[1].copy()
    order(Streamed(shards_of([9] * 9), 4, CPU))
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == drawn).all()


def test_pictures_of_many_shards_are_mixed():
    """However a dataset is ordered: batches of one shard's pictures would be of one class where shards are."""
    streamed = Streamed(shards_of([200] * 20), 4, CPU)
    found = [len({number // 200 for number in numbers(images)}) for images, _ in epoch(streamed, 64)]
    assert min(found) >= 6


@pytest.mark.parametrize("shards", [20, 200])
def test_what_is_in_memory_does_not_grow_with_the_dataset(monkeypatch, shards):
    monkeypatch.setattr(streaming, "_BUFFER_BYTES", 100 * 3 * 4 * 4)
    monkeypatch.setattr(streaming, "cores", lambda: 2)
    told, most, taken = [], 0, 0
    for images, _ in Streamed(shards_of([50] * shards, told=told), 4, CPU).epoch(10, torch.Generator()):
        taken += len(images)
        most = max(most, len(told) - taken)
    chunks = streaming._SIDE_BY_SIDE * (streaming._CHUNKS_AHEAD + 3) + 6
    assert most <= 100 + 10 * (streaming._BATCHES_AHEAD + 3) + streaming._CHUNK * chunks
    assert taken == 50 * shards


@pytest.mark.parametrize(("large", "lanes"), [(1, 8), (1 << 26, 8), (1 << 28, 2), (1 << 29, 1), (1 << 40, 1)])
def test_fewer_shards_are_open_at_a_time_when_they_are_large(large, lanes):
    assert streaming._lanes(shards_of([1] * 3, large=large)) == lanes


def test_changes_are_done_to_every_batch_in_turn():
    plain = Streamed(shards_of([20] * 3), 4, CPU)
    changed = plain.map(lambda images: images + 1).map(lambda images: images * 2)
    for (before, labels), (after, others) in zip(epoch(plain), epoch(changed), strict=True):
        assert torch.equal(after, (before + 1) * 2)
        assert torch.equal(labels, others)


def test_a_sample_to_learn_from_is_bounded_seeded_and_mixed(monkeypatch):
    monkeypatch.setattr(streaming, "_BUFFER_BYTES", 256 * 3 * 4 * 4)
    streamed = Streamed(shards_of([100] * 20), 4, CPU)
    images, labels = streamed.sample(3)
    assert numbers(images) == labels.tolist()
    assert len(set(labels.tolist())) == len(labels) == 256
    assert len({label // 100 for label in labels.tolist()}) >= 8
    assert torch.equal(streamed.sample(3)[1], labels)
    assert not torch.equal(streamed.sample(4)[1], labels)
    few = Streamed(shards_of([5, 6]), 4, CPU).sample(0)
    assert sorted(few[1].tolist()) == list(range(11))


def test_threads_end_with_the_epoch_and_when_it_is_left_before():
    streamed = Streamed(shards_of([100] * 20), 4, CPU)
    before = threading.active_count()
    epoch(streamed)
    assert threading.active_count() == before
    left = streamed.epoch(8, torch.Generator())
    next(left)
    assert threading.active_count() > before
    del left
    assert threading.active_count() == before


@pytest.mark.parametrize("stated", [3, 7])
def test_a_shard_that_is_not_what_it_was_ends_the_epoch(stated):
    good, (other, *_) = shards_of([5] * 4), shards_of([5])
    with pytest.raises(DataError, match=f"shard s0 gave 5 pictures where {stated} were expected"):
        epoch(Streamed((*good[1:], Shard("s0", stated, 1, other.read)), 4, CPU), 2)


def test_what_goes_wrong_in_a_thread_is_raised_where_it_is_waited_for():
    def broken():
        raise DataError("it does not decode", "mend it")

    def read():
        yield from ((broken if number == 13 else partial(numbered, number, 4), 0) for number in range(50))

    with pytest.raises(DataError, match="it does not decode"):
        epoch(Streamed((Shard("s", 50, 1, read),), 4, CPU))


def test_a_network_learns_from_it_and_a_run_that_was_stopped_comes_to_the_same_end():
    images, labels = easy(96)

    def read(start):
        yield from ((partial(lambda i: images[i].numpy(), i), int(labels[i])) for i in range(start, start + 12))

    streamed = Streamed(tuple(Shard(f"s{i}", 12, 1, partial(read, i)) for i in range(0, 96, 12)), 8, CPU)

    def started(seed=5):
        model = small_net(seed=seed)
        return model, Training(model, streamed, plan(epochs=6, schedule="one-cycle"), unchanged, seed)

    model, unbroken = started()
    epochs = unbroken.epochs()
    expected = [next(epochs), next(epochs)]
    state = unbroken.state()
    expected += epochs
    assert expected[-1].train_accuracy > 95
    other, rest = started(seed=6)
    assert rest.restore(state)
    assert list(rest.epochs()) == expected[2:]
    pairs = zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)


def test_the_order_is_the_one_that_it_always_was():
    """Where a new version of WebDataset orders otherwise, runs differ: streaming.VERSION has to be raised then."""
    expected = [
        6,
        5,
        16,
        12,
        17,
        11,
        8,
        10,
        4,
        2,
        3,
        7,
        1,
        14,
        9,
        0,
    ]
    assert order(Streamed(shards_of([6, 5, 7]), 4, CPU), seed=11) == expected
