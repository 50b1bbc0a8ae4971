import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from infra.errors import DataError
from tasks.report.classes import class_rows
from tasks.report.tidy import (
    BACKDOOR_DTYPES,
    CLASS_DTYPES,
    ROC_DTYPES,
    VERIFICATION_DTYPES,
    backdoor,
    confusion,
    per_class,
    roc,
    verification,
)
from tests.tasks.report.helpers import by_class, confused, obeyed, run, stopped, verified

NAME = "error-minimizing noise (class-wise, 8/255, class b)"


@settings(deadline=None, max_examples=20)
@given(
    st.integers(2, 6).flatmap(
        lambda k: st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=60).map(
            lambda pairs: (k, pairs)
        )
    )
)
def test_accuracy_by_class_is_scikit_learns_recall(drawn):
    classes, pairs = drawn
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, tuple(np.array(pairs).T), 1)
    table = per_class([run(classes=tuple("abcdef"[:classes]), confusion=tuple(map(tuple, counts.tolist())))], {})
    true, answer = zip(*pairs, strict=True)
    recall = recall_score(true, answer, labels=range(classes), average=None, zero_division=np.nan)
    np.testing.assert_allclose(table["accuracy"], 100 * recall)
    assert list(table["pictures"]) == list(counts.sum(axis=1))
    assert table["right"].sum() == counts.trace()


def test_classes_are_protected_as_their_copy_says_and_never_in_the_clean_baseline():
    ours = {"form": "class-wise", "variant": "class b"}
    runs = [
        *by_class("none", "none", ((90, 80, 70),)),
        *by_class("error-minimizing", "none", ((90, 10, 70),), **ours),
        *by_class("error-minimizing", "none", ((90, 10, 70),), **ours, part="clean"),
        *by_class("random", "none", ((90, 10, 70),)),
    ]
    table = per_class(runs, {NAME: frozenset("b")})
    assert dict(table.dtypes.astype(str)) == CLASS_DTYPES
    assert list(table["class"]) == list("abc") * 4
    assert list(table["protected"]) == [False] * 3 + [False, True, False] * 2 + [True] * 3
    assert list(table["accuracy"][:3]) == [90, 80, 70]


def test_classes_without_test_pictures_have_no_accuracy():
    table = per_class([run(classes=("a", "b"), confusion=((3, 1), (0, 0)))], {})
    assert list(table["accuracy"].fillna(-1)) == [75, -1]
    assert per_class([run(confusion=())], {}).empty


def test_early_stopping_has_counts_of_its_own():
    (plain,) = by_class("error-minimizing", "none", ((10, 20),))
    runs = [plain, stopped(plain, 50.0, confusion=confused((50, 50)))]
    table = per_class(runs, {})
    assert list(table["accuracy"]) == [10, 20, 50, 50]
    assert table["inputs"].nunique() == 1
    assert list(table["countermeasure"]) == ["none"] * 2 + ["early-stopping"] * 2
    assert confusion(runs).groupby("countermeasure")["count"].sum().to_dict() == {"none": 200, "early-stopping": 200}


def test_runs_of_many_classes_have_counts_by_class_and_no_pairs():
    names = tuple(f"class {number}" for number in range(250))
    counts = tuple((number % 5, 4) for number in range(250))
    many = run(classes=names, confusion=(), per_class=counts, peak_per_class=counts)
    table = per_class([many], {})
    assert list(table["class"]) == list(names)
    assert list(zip(table["right"], table["pictures"], strict=True)) == list(counts)
    assert confusion([many]).empty
    assert list(class_rows([many], {})["peak_right"]) == [right for right, _ in counts]


def test_copies_that_share_a_run_share_its_rows():
    same = {"inputs": "the clean part of both", "fraction": 0.8, "part": "clean"}
    runs = [run(**same), run("random", **same)]
    assert len(per_class(runs, {})) == 10
    assert confusion(runs)["count"].sum() == 120


def test_faces_and_triggers_have_a_row_each_number():
    runs = [run(verification=verified(0.9)), run(seed=1, backdoor=obeyed(30.0)), run(seed=2)]
    found = verification(runs)
    assert dict(found.dtypes.astype(str)) == VERIFICATION_DTYPES
    assert found.drop(columns="inputs").to_dict("list") == {
        "pairs": [600, 600],
        "same": [300, 300],
        "auc": [0.9, 0.9],
        "far": [0.001, 0.01],
        "tar": [0.25, 0.5],
    }
    curve = roc(runs)
    assert dict(curve.dtypes.astype(str)) == ROC_DTYPES
    assert list(zip(curve["far"], curve["tar"], strict=True)) == [(0, 0), (0, 0.25), (0.01, 0.5), (1, 1)]
    success = backdoor(runs)
    assert dict(success.dtypes.astype(str)) == BACKDOOR_DTYPES
    assert success["success"].item() == 30.0
    for make in (verification, roc, backdoor):
        assert make([run()]).empty


@pytest.mark.parametrize("make", [confusion, verification, roc, backdoor, lambda runs: per_class(runs, {})])
def test_no_runs_are_refused(make):
    with pytest.raises(DataError, match="no runs"):
        make([])


def test_a_run_that_diverged_keeps_its_counts():
    assert len(per_class([run(diverged=True, accuracy=math.nan)], {})) == 10
