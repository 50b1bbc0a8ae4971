"""Class-wise noise as a trigger: told from pictures, scaled, and laid on others."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import ConfigurationError
from tasks.evaluate.triggers import Triggers, triggers
from tasks.shard.scale import to_working


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 64), st.integers(0, 2**20))
def test_what_is_recovered_gives_the_stored_pictures_again_however_much_was_clipped(each, classes, epsilon, seed):
    """With pictures that are black or white nearly everywhere some noise never shows: then it needn't be found."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(classes).repeat(each)
    originals = torch.randint(-900, 1100, (len(labels), 4, 4, 3), generator=generator).clamp(0, 255).to(torch.uint8)
    noise = torch.randint(-epsilon, epsilon + 1, (classes, 4, 4, 3), generator=generator).to(torch.int16)
    truth = Triggers(noise, torch.ones(classes, dtype=torch.bool))
    stored = truth.on(originals, labels)
    changed = (stored != originals).flatten(1).any(1)
    if not changed.any():
        return
    found = triggers(stored, originals, labels, classes)
    assert torch.equal(found.on(originals, labels)[changed], stored[changed])
    assert found.known.tolist() == [bool(changed[labels == label].any()) for label in range(classes)]
    free = ((stored > 0) & (stored < 255) & changed[:, None, None, None]).view(each, classes, 4, 4, 3).any(0)
    assert torch.equal(found.noise[free], noise[free])


def test_what_is_not_one_noise_a_class_is_refused():
    originals = torch.full((50, 2, 2, 3), 100, dtype=torch.uint8)
    labels, stored = torch.arange(50) % 2, originals + 3
    assert triggers(stored, originals, labels, 2).noise.unique().tolist() == [3]
    stored[:5] += 5  # a few may be otherwise, many not
    assert triggers(stored, originals, labels, 2).noise.unique().tolist() == [3]
    stored[:6] += 5
    with pytest.raises(ConfigurationError, match="one noise a class explains the change of 44 of 50 pictures only"):
        triggers(stored, originals, labels, 2)


def test_an_unchanged_copy_has_no_noise():
    originals = torch.zeros(4, 2, 2, 3, dtype=torch.uint8)
    with pytest.raises(ConfigurationError, match="no picture is changed"):
        triggers(originals, originals, torch.zeros(4, dtype=torch.int64), 1)


def test_noise_is_added_and_clipped():
    noise = torch.tensor([-20, 20], dtype=torch.int16).view(2, 1, 1, 1).expand(2, 1, 1, 3).contiguous()
    images = torch.tensor([10, 100, 250], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 1, 1, 3).contiguous()
    found = Triggers(noise, torch.tensor([True, True]))
    assert found.on(images, torch.tensor([0, 0, 0]))[:, 0, 0, 0].tolist() == [0, 80, 230]
    assert found.on(images, torch.tensor([1, 1, 1]))[:, 0, 0, 0].tolist() == [30, 120, 255]
    assert images[:, 0, 0, 0].tolist() == [10, 100, 250]


@pytest.mark.parametrize("size", [8, 16, 24, 48])
def test_at_another_size_it_is_what_scaling_makes_of_the_stored_pictures(size):
    rng = np.random.default_rng(0)
    originals = rng.integers(20, 230, (6, 24, 24, 3), dtype=np.uint8)
    own = Triggers(torch.from_numpy(rng.integers(-16, 17, (1, 24, 24, 3)).astype(np.int16)), torch.tensor([True]))
    stored = own.on(torch.from_numpy(originals), torch.zeros(6, dtype=torch.int64)).numpy()
    scaled = own.at(size)
    assert scaled.noise.shape == (1, size, size, 3)
    assert scaled.noise.dtype == torch.int16
    shown = scaled.on(torch.from_numpy(np.stack([to_working(each, size) for each in originals])), torch.zeros(6).long())
    expected = np.stack([to_working(each, size) for each in stored]).astype(int)
    assert np.abs(shown.numpy().astype(int) - expected).max() <= 2  # each of the three was rounded


def test_the_digest_tells_noise_and_classes_apart():
    noise, known = torch.zeros(2, 2, 2, 3, dtype=torch.int16), torch.tensor([True, True])
    other = noise.clone()
    other[1, 0, 0, 0] = 1
    digests = [Triggers(*each).digest() for each in ((noise, known), (other, known), (noise, ~known))]
    assert len(set(digests)) == 3
    assert digests[0] == Triggers(noise.clone(), known.clone()).digest()
