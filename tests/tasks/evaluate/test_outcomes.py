"""What an experiment asks for, read off the record of a run."""

import numpy as np
import pytest

from infra.errors import DataError
from tasks.evaluate import outcomes, verification
from tests.tasks.report.helpers import run
from tests.tasks.report.paper_helpers import one


@pytest.mark.parametrize("measured", ["auc", "tar"])
def test_what_is_asked_of_faces_is_what_was_measured_of_them(measured):
    same = np.arange(400) % 2 == 0
    found = verification.measure(np.random.default_rng(0).normal(size=400) + same, same)
    expected = {"auc": found.auc, "tar": dict(found.tar_at_far)[0.01]}
    after_a_record = run(verification=found).model_validate_json(run(verification=found).model_dump_json())
    assert outcomes.value(one("a", "b", measured=measured), after_a_record, None, None) == expected[measured]
    with pytest.raises(DataError, match=f"holds no {measured}"):
        outcomes.value(one("a", "b", measured=measured), run(), None, None)


def test_accuracy_on_some_classes_needs_no_matrix():
    counts = ((1, 4), (2, 4), (4, 4))
    found = run(classes=("cat", "dog", "fox"), confusion=(), per_class=counts)
    some = one("a", "b", classes=("cat",))
    assert outcomes.value(some, found, ("cat",), None) == 25
    assert outcomes.value(some.model_copy(update={"others": True}), found, ("cat",), None) == 75


def test_of_two_classes_of_one_name_the_copys_own_counts():
    counts = ((1, 4), (2, 4), (4, 4))
    found = run(classes=("ship (added)", "fox", "ship"), confusion=(), per_class=counts)
    ship = one("a", "b", classes=("ship",))
    assert outcomes.value(ship, found, ("ship",), None) == 25
    assert outcomes.value(ship.model_copy(update={"others": True}), found, ("ship",), None) == 75
