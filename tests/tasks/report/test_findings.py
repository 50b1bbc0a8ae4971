"""What follows from runs: judged copies, classes that are protected and others, faces, triggers."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.report.classes import class_rows, focus, same_copy
from tasks.report.findings import findings
from tasks.report.frame import frame
from tasks.report.summary import summarise, worst_case
from tests.tasks.report.helpers import by_class, confused, grid_of_runs, obeyed, run, seeds, stopped, verified

BIRD = {"form": "class-wise", "variant": "class b"}
COVERED = {"error-minimizing noise (class-wise, 8/255, class b)": frozenset("b")}
PARTIAL = {"fraction": 0.8}


def class_runs():
    return [
        *by_class("none", "none", ((90, 80, 70), (92, 84, 70), (94, 88, 70))),
        *by_class("none", "jpeg-10", ((80, 60, 70), (80, 60, 70), (80, 60, 70))),
        *by_class("error-minimizing", "none", ((90, 0, 70), (92, 2, 70), (94, 4, 70)), **BIRD),
        *by_class("error-minimizing", "jpeg-10", ((80, 50, 70), (80, 51, 70), (80, 52, 70)), **BIRD),
    ]


def test_copies_that_protect_some_classes_are_judged_on_those():
    found = findings(class_runs(), COVERED)
    plain, jpeg = found.judged.to_dict("records")
    assert (plain["mean"], plain["std"], plain["ceiling"], plain["ceiling_std"]) == (2.0, 2.0, 84.0, 4.0)
    assert (plain["chance"], plain["kept"]) == (pytest.approx(100 / 3), 1.0)
    assert (jpeg["mean"], jpeg["ceiling"]) == (51.0, 60.0)
    assert jpeg["kept"] == pytest.approx((60 - 51) / (60 - 100 / 3))
    assert worst_case(found.judged)["countermeasure"].item() == "jpeg-10"
    others = found.others.to_dict("records")
    assert [(row["mean"], row["ceiling"]) for row in others] == [(81.0, 81.0), (75.0, 75.0)]
    assert dict(found.some) == COVERED


def test_copies_that_protect_all_classes_are_judged_on_all():
    everything = {name: frozenset("abc") for name in COVERED}
    for covered in ({}, everything):
        found = findings(class_runs(), covered)
        assert found.judged.equals(found.summary[found.summary["method"] != "none"])
        assert found.others.empty
        assert not found.some


def test_parts_are_judged_but_the_clean_one_is_a_reference():
    runs = [
        run("none", accuracy=90.0),
        *(run(accuracy=value, part=part, **PARTIAL) for part, value in (("all", 80.0), ("clean", 78.0))),
        run(accuracy=12.0, part="protected", **PARTIAL),
    ]
    found = findings(runs, {})
    assert list(found.judged["part"]) == ["all", "protected"]
    assert list(found.summary["part"]) == ["all", "all", "protected", "clean"]
    assert [math.isnan(kept) for kept in found.summary["kept"]] == [True, False, False, True]
    assert list(found.summary["ceiling"]) == [90.0] * 4
    assert list(worst_case(found.summary)["part"]) == ["all", "protected"]


def test_parts_of_copies_that_protect_some_classes_are_no_protection_to_judge():
    runs = [*class_runs(), *by_class("error-minimizing", "none", ((0, 100, 0),), **BIRD, part="protected")]
    found = findings(runs, COVERED)
    assert set(found.judged["part"]) == {"all"}
    assert "protected" in set(found.summary["part"])


def test_ceiling_is_never_that_of_a_part():
    runs = [run("none", accuracy=90.0), run("none", accuracy=50.0, part="clean"), run(accuracy=10.0)]
    assert summarise(frame(runs))["ceiling"].iloc[-1] == 90.0


def test_class_means_stand_beside_the_same_class_of_the_clean_baseline():
    found = findings(class_runs(), COVERED)
    ours = same_copy(found.classes, found.judged.iloc[0])
    plain = ours[ours["countermeasure"] == "none"]
    assert list(plain["class"]) == ["a", "b", "c"]
    assert list(plain["protected"]) == [False, True, False]
    assert list(plain["mean"]) == [92.0, 2.0, 70.0]
    assert list(plain["std"]) == [2.0, 2.0, 0.0]
    assert list(plain["ceiling"]) == [92.0, 84.0, 70.0]
    assert list(plain["ceiling_std"]) == [2.0, 4.0, 0.0]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 50), min_size=3, max_size=5), st.sets(st.sampled_from("abcde"), min_size=1))
def test_accuracy_on_all_classes_is_made_of_that_on_some_and_on_the_others(rights, chosen):
    runs = by_class("random", "none", (tuple(rights),), pictures=50)
    table, rows = frame(runs), class_rows(runs, {})
    names = set(runs[0].classes)
    parts = [frozenset(names & chosen), frozenset(names - chosen)]
    total = sum(len(part) * focus(table, rows, part)["test_accuracy"].fillna(0).item() for part in parts)
    assert total / len(names) == pytest.approx(table["test_accuracy"].item())


def test_peak_of_some_classes_is_that_of_the_best_epoch():
    (plain,) = by_class("error-minimizing", "none", ((90, 0, 70),), peak_confusion=confused((60, 40, 50)))
    table, rows = frame([plain, plain.model_copy(update={"seed": 1, "peak_confusion": ()})]), None
    rows = class_rows([plain, plain.model_copy(update={"seed": 1, "peak_confusion": ()})], {})
    peaks = focus(table, rows, frozenset("b"))["peak_test_accuracy"]
    assert peaks.iloc[0] == 40.0
    assert math.isnan(peaks.iloc[1])


def test_runs_without_counts_have_no_accuracy_on_some_classes():
    runs = [run("none", accuracy=90.0, confusion=()), run(accuracy=10.0, confusion=(), **BIRD)]
    name = next(iter(COVERED))
    found = findings(runs, {name: frozenset("3")})
    assert found.judged["mean"].isna().all()


def test_face_means_stand_beside_the_clean_baseline():
    runs = [
        *(run("none", seed=seed, verification=verified(auc, 0.97)) for seed, auc in enumerate((0.99, 1.0))),
        *(run(seed=seed, verification=verified(auc, tar)) for seed, (auc, tar) in enumerate(((0.6, 0.1), (0.7, 0.3)))),
        run(seed=2, verification=verified(0.1), diverged=True),
    ]
    row = findings(runs, {}).faces.iloc[-1]
    assert (row["seeds"], row["mean"], row["std"]) == (2, pytest.approx(0.65), pytest.approx(0.0707, abs=1e-4))
    assert (row["far"], row["tar"]) == (0.01, pytest.approx(0.2))
    assert (row["ceiling"], row["ceiling_tar"]) == (pytest.approx(0.995), pytest.approx(0.97))
    assert findings([run()], {}).faces.empty


def test_trigger_means_know_their_own_noise_and_what_it_does_to_a_clean_victim():
    own, other = "error-minimizing, class-wise, 8/255, on 20 % of the samples", "random, class-wise, 8/255"
    runs = [
        run("none", backdoor=(*obeyed(9.0, own), *obeyed(12.0, other))),
        *(run(seed=s, form="class-wise", fraction=0.2, backdoor=obeyed(70.0 + s, own)) for s in (0, 2)),
    ]
    found = findings(runs, {}).triggers
    row = found.iloc[-1]
    assert (row["own"], row["mean"], row["seeds"], row["ceiling"]) == (True, 71.0, 2, 9.0)
    assert not found["own"].iloc[:2].any()


def test_early_stopping_has_a_ceiling_of_its_own():
    plain = run("none", accuracy=80.0), run(accuracy=10.0)
    runs = [*plain, stopped(plain[0], 85.0), stopped(plain[1], 40.0)]
    row = summarise(frame(runs)).set_index(["method", "countermeasure"]).loc[("error-minimizing", "early-stopping")]
    assert (row["mean"], row["ceiling"], row["kept"]) == (40.0, 85.0, pytest.approx(45 / 75))


def test_nothing_protected_leaves_nothing_to_judge():
    found = findings(seeds("none", "none", 90.0, 91.0), {})
    assert found.judged.empty
    assert found.others.dtypes.equals(found.summary.dtypes)


def test_findings_do_not_depend_on_the_order_of_the_runs():
    runs = grid_of_runs()
    assert findings(runs[::-1], {}).judged.equals(findings(runs, {}).judged)
