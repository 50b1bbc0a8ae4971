"""A report drawn again from its own tables."""

import io

import numpy as np
import pandas as pd
import pytest

from infra.errors import DataError
from infra.storage import Folder
from tasks.report.frame import frame
from tasks.report.read import read_frame, read_runs
from tasks.report.write import redraw, write_report
from tests.tasks.report.helpers import by_class, context, grid_of_runs, obeyed, run, seeds, stopped, verified

PAIR = (np.zeros((2, 8, 8, 3), np.uint8), np.full((2, 8, 8, 3), 8, np.uint8))
THREE = ("a", "b", "<c>")
SOME_OF_THREE = {"form": "class-wise", "variant": "class b", "classes": THREE}
SOME = "error-minimizing noise (class-wise, 8/255, class b)"


def everything():
    """Runs of every sort that a report knows."""
    plain = grid_of_runs()
    return [
        *plain,
        *(stopped(one, 90.0) for one in plain if one.countermeasure == "none"),
        *seeds("random", "none", 88.0, 87.0, verification=verified(0.9), backdoor=obeyed(12.0)),
        *by_class("none", "grayscale", ((90, 80, 70),), classes=("a", "b", "<c>")),
        *by_class(
            "error-minimizing",
            "grayscale",
            ((90, 5, 70),),
            form="class-wise",
            variant="class b",
            classes=("a", "b", "<c>"),
        ),
    ]


@pytest.fixture
def folder(tmp_path):
    place = Folder(str(tmp_path / "report"))
    runs = [each.model_copy(update={"dataset": f"of {len(each.classes)}"}) for each in everything()]
    write_report(place, runs, context(), {"cats": PAIR}, {SOME: frozenset("b")})
    return place


def contents(folder):
    return {name: folder.read(name) for name in folder.list()}


def rewritten(folder, name, change):
    """The table `name` after `change`."""
    table = change(pd.read_parquet(io.BytesIO(folder.read(name))))
    stream = io.BytesIO()
    table.to_parquet(stream, index=False)
    folder.write(name, stream.getvalue())


def test_a_report_drawn_again_is_the_same_byte_for_byte(folder):
    before = contents(folder)
    for name in ("report.html", "report.md", "results.csv", "figures/learning-curves.svg", "report.json"):
        folder.delete(name)
    redraw(folder)
    assert contents(folder) == before


def test_runs_are_read_as_they_were_written(folder):
    runs = read_runs(folder, {"of 10": run().classes, "of 3": THREE})
    pd.testing.assert_frame_equal(frame(runs), read_frame(folder))


def test_rows_that_somebody_took_out_are_missing_and_said_to_be(folder):
    rewritten(
        folder,
        "results.parquet",
        lambda table: table[(table["method"] != "none") | (table["countermeasure"] != "jpeg-10")],
    )
    redraw(folder)
    assert "There is no clean baseline for tiny under jpeg-10." in folder.read("report.md").decode()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: f.write("results.parquet", b"PAR1 but not really PAR1"), "can't be read as Parquet"),
        (lambda f: f.write("results.parquet", f.read("results.parquet")[:-40]), "can't be read as Parquet"),
        (lambda f: rewritten(f, "results.parquet", lambda _: pd.DataFrame({"a": [1]})), "no column dataset"),
        (lambda f: rewritten(f, "results.parquet", lambda t: t.assign(epsilon="much")), "values that are no report's"),
        (lambda f: rewritten(f, "curves.parquet", lambda t: t.drop(columns="loss")), "no column loss"),
        (lambda f: f.delete("context.json"), "no context.json"),
    ],
    ids=["not parquet", "cut", "another table", "other values", "other curves", "no context"],
)
def test_what_is_damaged_or_anothers_is_told_in_one_line_and_nothing_is_lost(folder, spoil, said):
    spoil(folder)
    before = contents(folder)
    with pytest.raises(DataError, match=said) as caught:
        redraw(folder)
    assert "\n" not in str(caught.value)
    assert folder.url in str(caught.value)
    assert contents(folder) == before


def test_tables_that_are_gone_leave_a_report_without_what_they_held(folder):
    for name in ("curves.parquet", "confusion.parquet", "per_class.parquet"):
        folder.delete(name)
    redraw(folder)
    text = folder.read("report.md").decode()
    assert "No run left a learning curve." in text
    assert "No run under plain training left a confusion matrix." in text
