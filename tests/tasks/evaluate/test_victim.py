"""One victim: seeded, counted right, and honest when its training falls apart."""

import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.evaluate import EpochPoint, Grayscale, NoCountermeasure, ResNet18Victim, TinyVictim
from schemas.recipe import TinyRecipe
from tasks.evaluate import victim
from tasks.evaluate.data import Pictures
from tests.tasks.nn.helpers import easy

TINY = TinyVictim(widths=(4, 8, 8, 8), recipe=TinyRecipe(epochs=3, batch_size=16))
NARROW = ResNet18Victim(width=8)


def pictures(samples=60, classes=3, size=8, seed=0):
    images, labels = easy(samples, classes, size, seed)
    return Pictures(images, labels, tuple(f"s/{i}" for i in range(samples)), tuple("abcdef"[:classes]), 0)


def run(kind=TINY, seed=0, countermeasure=None, training=None, test=None, heard=None):
    told = heard.append if heard is not None else lambda point: None
    countermeasure = countermeasure or NoCountermeasure()
    return victim.run(kind, countermeasure, training or pictures(), test or pictures(31, seed=1), seed, told)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 300), st.integers(2, 12), st.integers(0, 2**20))
def test_the_confusion_matrix_is_scikit_learns(samples, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    truth, answers = torch.randint(classes, (2, samples), generator=generator)
    found = np.array(victim._confusion(truth, answers, classes))
    expected = sklearn.metrics.confusion_matrix(truth.numpy(), answers.numpy(), labels=range(classes))
    assert (found == expected).all()
    accuracy = sklearn.metrics.accuracy_score(truth.numpy(), answers.numpy())
    assert found.trace() / found.sum() == pytest.approx(accuracy)


def test_confusion_and_accuracy_of_a_run_agree():
    test = pictures(31, seed=1)
    result = run(test=test)
    confusion = np.array(result.confusion)
    assert confusion.shape == (3, 3)
    assert confusion.sum() == 31
    assert confusion.sum(axis=1).tolist() == torch.bincount(test.labels).tolist()
    assert 100 * confusion.trace() / 31 == pytest.approx(result.curve[-1].test_accuracy)


def test_every_epoch_is_told_as_it_ends():
    heard = []
    result = run(heard=heard)
    assert tuple(heard) == result.curve
    assert [point.epoch for point in heard] == [1, 2, 3]
    assert all(math.isfinite(p.loss) and 0 <= p.train_accuracy <= 100 for p in heard)
    assert not result.diverged
    assert result.seconds > 0


def test_easy_data_are_learned():
    recipe = TinyRecipe(epochs=8, batch_size=16)
    assert run(TINY.model_copy(update={"recipe": recipe})).curve[-1].test_accuracy > 90


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    one, again, other = run(seed=4), run(seed=4), run(seed=5)
    assert (one.curve, one.confusion) == (again.curve, again.confusion)
    assert one.curve != other.curve


def test_a_run_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    run()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_countermeasure_sees_the_training_pictures_only(monkeypatch):
    training, test = pictures(), pictures(31, seed=1)
    seen = []
    monkeypatch.setattr(victim, "prepare", lambda countermeasure, images: seen.append(images) or images)
    run(countermeasure=Grayscale(), training=training, test=test)
    assert len(seen) == 1
    assert seen[0] is training.images


def test_the_pictures_are_left_as_they_were():
    training, test = pictures(), pictures(31, seed=1)
    before = training.digest(), test.digest()
    run(countermeasure=Grayscale(), training=training, test=test)
    assert (training.digest(), test.digest()) == before


def test_fewer_pictures_than_a_batch_and_a_single_test_picture_will_do():
    result = run(training=pictures(5), test=pictures(1))
    assert np.array(result.confusion).sum() == 1


def test_a_run_that_diverges_ends_early_says_so_and_is_read_again_from_its_record():
    wild = TINY.model_copy(update={"recipe": TinyRecipe(epochs=3, batch_size=16, lr=1e30)})
    result = run(wild)
    assert result.diverged
    assert len(result.curve) < 3
    assert np.array(result.confusion).sum() == 31
    last = result.curve[-1]
    point = EpochPoint(epoch=1, loss=last.loss, train_accuracy=last.train_accuracy, test_accuracy=last.test_accuracy)
    again = EpochPoint.model_validate_json(point.model_dump_json())
    assert not math.isfinite(again.loss)


@pytest.mark.parametrize(
    ("kind", "size"),
    [(TINY, 8), (TINY, 33), (ResNet18Victim(), 32), (ResNet18Victim(), 64), (NARROW, 32), (NARROW, 64)],
)
def test_every_victim_answers_for_every_class(kind, size):
    model = victim.build(kind, 5, size, seed=0).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, size, size)).shape == (2, 5)


def parameters(kind, size=32):
    return sum(each.numel() for each in victim.build(kind, 10, size, seed=0).parameters())


def test_a_narrow_resnet18_is_one_of_fewer_channels_and_the_standard_stays_what_it_was():
    assert parameters(ResNet18Victim()) == 11_173_962  # the CIFAR form's, as published
    assert parameters(ResNet18Victim(), 64) == 11_181_642  # torchvision's
    assert parameters(ResNet18Victim(width=32)) < 11_173_962 / 3.9
    assert parameters(ResNet18Victim(width=16), 64) == parameters(ResNet18Victim(width=16))
    for width in (7, 129):
        with pytest.raises(ValueError, match="width"):
            ResNet18Victim(width=width)


def test_a_narrow_resnet18_trains():
    narrow = NARROW.model_copy(update={"recipe": TinyRecipe(epochs=2, batch_size=16)})
    assert len(run(narrow).curve) == 2


def test_victims_have_a_name_that_tells_the_width():
    names = [each.name for each in (TinyVictim(), TINY, ResNet18Victim(), ResNet18Victim(width=16))]
    assert names == ["tiny", "tiny-w4-8-8-8", "resnet18", "resnet18-w16"]
