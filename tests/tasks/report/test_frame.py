import json
import math
import random

import pytest

from infra.errors import DataError
from schemas.evaluate import VictimRun
from tasks.report.frame import DTYPES, curves, frame, results_json
from tasks.report.tidy import confusion
from tests.tasks.report.helpers import grid_of_runs, obeyed, run, stopped, verified

STABLE = "dataset method form epsilon fraction victim countermeasure seed test_accuracy peak_test_accuracy"


def test_columns_types_and_order_do_not_depend_on_the_order_of_the_runs():
    runs = grid_of_runs()
    shuffled = random.Random(0).sample(runs, len(runs))
    table = frame(runs)
    assert dict(table.dtypes.astype(str)) == DTYPES
    assert frame(shuffled).equals(table)
    assert list(table["method"][:6]) == ["none"] * 6
    assert list(table["countermeasure"][:4]) == ["none"] * 3 + ["jpeg-10"]


def test_countermeasures_stand_by_number_after_plain_training():
    table = frame([run(countermeasure=name) for name in ("jpeg-10", "jpeg-5", "none", "grayscale")])
    assert list(table["countermeasure"]) == ["none", "grayscale", "jpeg-5", "jpeg-10"]


def test_variants_stand_by_number_after_the_standard_beside_the_share():
    names = ("patch 16", "joint", "patch 8", "")
    table = frame([run(variant=name, inputs="one and the same pixels") for name in names])
    assert list(table["variant"]) == ["", "joint", "patch 8", "patch 16"]
    columns = list(table.columns)
    assert columns[columns.index("fraction") + 1] == "variant"


def test_runs_kept_before_there_were_variants_parts_and_probes_have_none():
    new = {"variant", "part", "peak_confusion", "per_class", "peak_per_class", "verification", "backdoor"}
    old = run().model_dump_json(exclude=new)
    assert not [name for name in new if name in old]
    table = frame([VictimRun.model_validate_json(old)])
    (row,) = results_json(table)
    assert (row["variant"], row["part"]) == ("", "all")
    assert table[["auc", "trigger_success"]].isna().all(axis=None)


def test_parts_stand_behind_the_whole_copy_beside_the_variant():
    runs = [run(fraction=0.8, part=part, inputs="one and the same pixels") for part in ("clean", "protected", "all")]
    table = frame(runs)
    assert list(table["part"]) == ["all", "protected", "clean"]
    columns = list(table.columns)
    assert columns[columns.index("variant") + 1] == "part"


def test_probes_give_a_number_a_run():
    own, other = "error-minimizing, sample-wise, 8/255, l2, on 80 % of the samples", "random, class-wise, 8/255"
    probed = run(
        variant="l2",
        fraction=0.8,
        verification=verified(0.9),
        backdoor=(*obeyed(30.0, own), *obeyed(70.0, other)),
    )
    clean = run("none", backdoor=(*obeyed(8.0, own), *obeyed(11.0, other)))
    table = frame([probed, clean])
    assert list(table["auc"].fillna(-1)) == [-1, 0.9]
    assert list(table["trigger_success"]) == [11.0, 30.0]


def test_early_stopping_leaves_one_curve():
    plain = run()
    assert len(curves([plain, stopped(plain, 40.0)])) == 3


def test_a_run_given_twice_counts_once():
    assert len(frame([run(), run(), run(seed=1)])) == 2


def test_no_runs_are_refused():
    for make in (frame, curves, confusion):
        with pytest.raises(DataError, match="no runs"):
            make([])


def test_curves_and_confusion_hold_every_epoch_and_count():
    runs = [run(), run(seed=1, curve=(), confusion=())]
    assert list(curves(runs)["epoch"]) == [1, 2, 3]
    pairs = confusion(runs)
    assert pairs["count"].sum() == 120
    assert pairs.query("true == '3' and answer == '3'")["count"].item() == 3
    assert confusion([runs[1]]).empty
    assert curves([runs[1]]).empty


def test_results_have_the_stable_keys_and_are_json():
    rows = results_json(frame([run(accuracy=10.23456), run(seed=1, accuracy=math.nan)]))
    assert list(rows[0]) == [*STABLE.split(), "train_accuracy", "epochs", "seconds", "variant", "part"]
    assert rows[0]["test_accuracy"] == 10.23
    assert rows[1]["test_accuracy"] is None
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
