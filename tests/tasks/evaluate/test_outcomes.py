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


@pytest.mark.parametrize("classes", [("cat", "dog", "fox"), ("cat (added)", "fox", "cat")], ids=["alone", "beside"])
def test_accuracy_on_some_classes_is_on_the_copys_own_and_needs_no_matrix(classes):
    found = run(classes=classes, confusion=(), per_class=((1, 4), (2, 4), (4, 4)))
    some = one("a", "b", classes=("cat",))
    assert outcomes.value(some, found, ("cat",), None) == 25
    assert outcomes.value(some.model_copy(update={"others": True}), found, ("cat",), None) == 75
