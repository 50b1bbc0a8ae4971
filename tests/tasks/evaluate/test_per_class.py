"""Accuracy by class, and over the classes that a copy protects: by counts, or read off an old record's matrix."""

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import DataError
from infra.storage import Folder
from schemas.coverage import Coverage
from schemas.noise import RandomNoise
from tasks.evaluate import data, tally
from tasks.evaluate.per_class import accuracy_on, by_class, counts_of, mean_over, peak_counts_of, protected_classes
from tasks.rewrite.audit import manifest_of
from tests.tasks.report.helpers import run
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all


def answered(truth, answers, classes):
    """A run with these answers to test pictures of these classes; it kept no matrix."""
    names = tuple("abcdefghijkl"[:classes])
    counts = tally.count(torch.as_tensor(truth), torch.as_tensor(answers), classes)
    return run(classes=names, confusion=(), per_class=counts.per_class(), test_samples=len(truth))


def test_an_older_record_tells_the_same_by_its_matrix():
    truth, answers = np.random.default_rng(0).integers(0, 5, (2, 60))
    found = answered(truth, answers, 5)
    matrix = tally.count(torch.as_tensor(truth), torch.as_tensor(answers), 5).confusion()
    old = found.model_copy(update={"per_class": (), "confusion": matrix, "peak_confusion": matrix})
    assert by_class(old) == by_class(found)
    assert counts_of(old) == peak_counts_of(old) == counts_of(found) == found.per_class
    assert peak_counts_of(found) == ()


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 200), st.integers(2, 12), st.integers(0, 2**20))
def test_accuracies_are_scikit_learns(count, classes, seed):
    rng = np.random.default_rng(seed)
    truth, answers = rng.integers(0, classes, (2, count))
    answers[: count // 2] = truth[: count // 2]
    found = answered(truth, answers, classes)
    recalls = sklearn.metrics.recall_score(truth, answers, labels=np.unique(truth), average=None)
    expected = dict(zip(np.array(list(found.classes))[np.unique(truth)], 100 * recalls, strict=True))
    assert by_class(found) == pytest.approx(expected)
    whole = mean_over(found, found.classes)
    assert whole.weighted == pytest.approx(100 * sklearn.metrics.accuracy_score(truth, answers))
    assert whole.macro == pytest.approx(100 * np.mean(recalls))
    assert (whole.pictures, whole.classes) == (count, len(np.unique(truth)))


@settings(deadline=None, max_examples=50)
@given(st.integers(20, 200), st.integers(2, 12), st.integers(0, 2**20))
def test_the_mean_over_some_classes_is_that_over_their_pictures(count, classes, seed):
    rng = np.random.default_rng(seed)
    truth, answers = rng.integers(0, classes, (2, count))
    truth[0] = 0
    chosen = [0, *rng.choice(classes, 3)]
    theirs = np.isin(truth, chosen)
    found = answered(truth, answers, classes)
    names = {found.classes[i] for i in chosen}
    expected = 100 * sklearn.metrics.accuracy_score(truth[theirs], answers[theirs])
    assert mean_over(found, names).weighted == pytest.approx(expected)
    assert accuracy_on(found, names) == pytest.approx(expected)
    recalls = sklearn.metrics.recall_score(
        truth[theirs], answers[theirs], labels=np.unique(truth[theirs]), average=None
    )
    assert mean_over(found, names).macro == pytest.approx(100 * np.mean(recalls))


def test_classes_without_test_pictures_say_nothing():
    found = answered([0, 0, 1], [0, 1, 2], 3)
    assert by_class(found) == {"a": 50, "b": 0}
    assert mean_over(found, {"c"}) is None
    assert mean_over(found, {"nobody"}) is None
    assert mean_over(found, {"a", "c"}) == mean_over(found, {"a"})
    with pytest.raises(DataError, match="there is no test picture of c; give test pictures"):
        accuracy_on(found, ["c"])


def test_one_name_that_several_classes_share_counts_for_all_of_them():
    found = answered([0, 0, 1, 1], [0, 0, 1, 0], 2).model_copy(update={"classes": ("crane", "crane")})
    assert by_class(found) == {"crane": 75}


class TestProtectedClasses:
    CLASSES = ("cat", "cow", "dog")

    def manifest(self, place, coverage):
        source = folder_source(place / "in", per_class=4, classes=self.CLASSES)
        return protect_all(config_of(place, source, RandomNoise(form="class-wise"), coverage=coverage))

    def test_they_are_those_that_the_protection_names_or_all(self, tmp_path):
        found = run(classes=self.CLASSES)
        some = self.manifest(tmp_path / "some", Coverage(classes=("dog", "cat")))
        assert protected_classes(found, some) == ("cat", "dog")
        every = self.manifest(tmp_path / "all", Coverage(fraction=0.5))
        assert protected_classes(found, every) == self.CLASSES
        assert manifest_of(Folder(str(tmp_path / "some" / "out"))) == some

    def test_beside_another_dataset_the_copys_own_classes_are_meant(self, tmp_path):
        def pictures(names):
            images = torch.zeros(len(names), 2, 2, 3, dtype=torch.uint8)
            return data.Pictures(images, torch.arange(len(names)), tuple(names), tuple(names), 0)

        every = self.manifest(tmp_path / "all", Coverage())
        some = self.manifest(tmp_path / "some", Coverage(classes=("cat",)))
        second = pictures(("dog", "cat", "emu"))
        both = run(classes=data.beside(pictures(self.CLASSES), second).classes)
        assert protected_classes(both, every) == both.classes[:3]
        assert protected_classes(both, some) == both.classes[:1]
        part = run(classes=data.beside(pictures(("cat", "cow")), second).classes)
        assert protected_classes(part, every, beside=("cow", "cat")) == part.classes[:2]
        assert protected_classes(part, some, beside=("cow", "cat")) == part.classes[:1]
