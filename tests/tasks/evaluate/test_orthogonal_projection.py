"""What a linear model finds in pictures, taken out of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.linear_model import RidgeClassifier

from infra.errors import ConfigurationError
from schemas.countermeasures import OrthogonalProjection
from tasks.evaluate.treatment import treatment_of
from tests.tasks.evaluate.treated import pictures, treated

few = settings(deadline=None, max_examples=10)


def marked(count, size, classes, seed):
    """Smooth random pictures that tell nothing of their classes, under class-wise noise of 8/255 that tells all."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(count, size, size, 3)), (0, 3, 3, 0))
    grain = rng.normal(size=smooth.shape) * 6
    labels = np.arange(count) % classes
    noise = rng.choice([-8, 8], (classes, size, size, 3))[labels]
    values = 120 + 40 * smooth / smooth.std() + grain + noise
    return torch.from_numpy(np.clip(np.rint(values), 0, 255).astype(np.uint8)), torch.from_numpy(labels)


def found_by_a_linear_model(images, labels):
    """Share of the second half of the pictures that a linear model trained on the first half gets right."""
    values, half = images.flatten(1).numpy() / 255, len(images) // 2
    model = RidgeClassifier().fit(values[:half], labels[:half].numpy())
    return model.score(values[half:], labels[half:].numpy())


def learnt(images, labels, seed=0, **options):
    return treatment_of(OrthogonalProjection(**options)).learn(images, labels, seed)


def difference(one, other):
    return (one.int() - other.int()).abs()


@pytest.mark.parametrize(("size", "classes"), [(8, 3), (12, 5), (17, 10)])
@few
@given(st.integers(0, 2**20))
def test_linearly_separable_noise_is_taken_out(size, classes, seed):
    """Of pictures that it has seen and of others that carry the same noise."""
    images, labels = marked(1000, size, classes, seed)
    half = len(images) // 2
    assert found_by_a_linear_model(images, labels) > 0.99
    projected = learnt(images[:half], labels[:half], seed)(images)
    assert found_by_a_linear_model(projected, labels) < 1 / classes + 0.12


def test_the_pictures_stay_what_they_are():
    """What is taken out is little beside what they show."""
    images, labels = marked(600, 16, 4, 0)
    projected = treated(OrthogonalProjection(), images, labels)
    one, other = (each.double().flatten(1) - each.double().mean() for each in (images, projected))
    assert ((one * other).sum(1) / (one.norm(dim=1) * other.norm(dim=1))).median() > 0.9


def test_the_mean_picture_is_kept():
    images, labels = marked(600, 16, 4, 0)
    projection = learnt(images, labels)
    mean = images.double().mean(0, keepdim=True).round().to(torch.uint8)
    assert difference(projection(mean), mean).max() <= 1
    assert difference(projection(images).double().mean(0), images.double().mean(0)).max() <= 2


def test_a_second_time_nothing_is_left_to_be_taken_out():
    images, labels = marked(600, 16, 4, 0)
    projection = learnt(images, labels)
    once = projection(images)
    assert difference(once, images).float().mean() > 3
    whole = ((once > 0) & (once < 255)).flatten(1).all(1)  # nothing of these was cut off
    assert whole.sum() > 100
    assert difference(projection(once[whole]), once[whole]).max() <= 1


def test_what_is_taken_out_has_as_many_directions_as_tell_the_classes_apart():
    """One less than there are: shares of classes sum to one."""
    images, labels = marked(400, 16, 4, 0)
    images = images // 2 + 64  # nothing is cut off
    change = (learnt(images, labels)(images).double() - images.double()).flatten(1)
    spread = torch.linalg.svdvals(change)
    assert spread[2] > 5 * spread[3]


def test_the_seed_tells_the_projection():
    images, labels = marked(400, 12, 4, 0)
    first, again, other = (learnt(images, labels, seed)(images) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert difference(first, other).float().mean() < 0.3 * difference(first, images).float().mean()


def test_the_global_generator_is_left_as_it_was():
    before = torch.get_rng_state()
    treated(OrthogonalProjection(), pictures(12, 16))
    assert torch.equal(torch.get_rng_state(), before)


def test_more_passes_find_more():
    images, labels = marked(600, 12, 4, 0)
    left = [found_by_a_linear_model(learnt(images, labels, epochs=epochs)(images), labels) for epochs in (1, 20)]
    assert left[1] <= left[0] + 0.05
    assert not torch.equal(learnt(images, labels, epochs=1)(images), learnt(images, labels)(images))


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (pictures(6, 9), torch.zeros(6, dtype=torch.int64)),  # one class
        (pictures(1, 9).repeat(6, 1, 1, 1), torch.arange(6) % 3),  # one picture
        (pictures(1, 9), torch.tensor([2])),
    ],
)
def test_where_there_is_nothing_to_learn_nothing_is_changed(images, labels):
    assert torch.equal(learnt(images, labels)(images), images)


def test_classes_may_be_absent():
    images, labels = marked(300, 12, 3, 0)
    assert found_by_a_linear_model(learnt(images, labels * 7)(images), labels) < 0.5


def test_as_many_classes_as_a_picture_has_values_are_refused():
    with pytest.raises(ConfigurationError, match="12 directions out of pictures that have 12 values"):
        learnt(pictures(12, 2), torch.arange(12))
