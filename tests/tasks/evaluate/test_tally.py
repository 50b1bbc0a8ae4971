"""Answers counted by class: as scikit-learn counts them, and small where there are many classes."""

import json

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.evaluate import tally


def drawn(samples, classes, seed):
    return torch.randint(classes, (2, samples), generator=torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 300), st.integers(2, 12), st.integers(0, 2**20))
def test_the_confusion_matrix_is_scikit_learns(samples, classes, seed):
    truth, answers = drawn(samples, classes, seed)
    found = tally.count(truth, answers, classes)
    matrix = np.array(found.confusion())
    expected = sklearn.metrics.confusion_matrix(truth.numpy(), answers.numpy(), labels=range(classes))
    assert (matrix == expected).all()
    assert found.per_class() == tuple(zip(matrix.diagonal(), matrix.sum(axis=1), strict=True))
    accuracy = sklearn.metrics.accuracy_score(truth.numpy(), answers.numpy())
    assert matrix.trace() / matrix.sum() == pytest.approx(accuracy)


@pytest.mark.parametrize("classes", [tally.MOST, tally.MOST + 1, 10_575])
def test_of_many_classes_each_is_counted_but_not_each_pair(classes):
    truth, answers = drawn(2000, classes, 0)
    answers[:500] = truth[:500]
    found = tally.count(truth, answers, classes)
    right, pictures = zip(*found.per_class(), strict=True)
    assert sum(pictures) == 2000
    assert list(pictures) == torch.bincount(truth, minlength=classes).tolist()
    assert sum(right) == int((truth == answers).sum())
    assert len(found.confusion()) == (classes if classes <= tally.MOST else 0)
    assert len(json.dumps(found.notes())) < 200_000


@pytest.mark.parametrize("classes", [3, tally.MOST + 1])
def test_notes_are_json_and_give_the_tally_again(classes):
    truth, answers = drawn(40, classes, 1)
    found = tally.count(truth, answers, classes)
    again = tally.from_notes(json.loads(json.dumps(found.notes())))
    assert (again.confusion(), again.per_class()) == (found.confusion(), found.per_class())
    for name in ("right", "pictures", "matrix"):
        one, other = getattr(found, name), getattr(again, name)
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
