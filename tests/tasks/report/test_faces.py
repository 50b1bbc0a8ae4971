"""One frame, many faces: every file, the terminal and the artifacts give the same numbers, to the digit."""

import csv
import io
import json
import re

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.report import shown
from tasks.report.display import display_frame
from tasks.report.findings import findings
from tasks.report.frame import frame, results_json
from tasks.report.summary import summarise
from tasks.report.terminal import summary_table
from tasks.report.view import view
from tests.tasks.report.helpers import context, seeds
from tests.tasks.report.test_write import Page, markdown_rows, report

PERCENT = st.floats(0, 100)
CELLS = st.tuples(*[st.lists(PERCENT, min_size=1, max_size=3)] * 4)


def runs_of(cells):
    """Clean and protected runs, plain and under jpeg-10, with these accuracies over seeds."""
    places = [(method, how) for method in ("none", "error-minimizing") for how in ("none", "jpeg-10")]
    return [run for (method, how), found in zip(places, cells, strict=True) for run in seeds(method, how, *found)]


def plain(text):
    """Markdown's cell as it is read."""
    return re.sub(r"\\(.)", r"\1", text).replace("<!-- -->", "").strip("* ")


def terminal_cells(summary):
    """The cells of the terminal's table, a list a row."""
    columns = [list(column.cells) for column in summary_table(summary).columns]
    return [[str(cell) for cell in row] for row in zip(*columns, strict=True)]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CELLS)
def test_every_face_of_a_frame_has_the_same_digits(tmp_path_factory, cells):
    runs = runs_of(cells)
    folder, record, page, text = report(tmp_path_factory.mktemp("r"), runs)
    truth = frame(runs)

    stored = pd.read_parquet(io.BytesIO(folder.read("results.parquet")))
    pd.testing.assert_frame_equal(stored, truth)
    written = display_frame(stored)
    with io.StringIO(folder.read("results.csv").decode(), newline="") as file:
        head, *rows = list(csv.reader(file))
    assert (head, rows) == (list(written.columns), written.to_numpy().tolist())

    said = view(findings(runs, {}), context(), record.created)
    on_page, in_text = Page(page).cells, [[plain(cell) for cell in row] for row in markdown_rows(text)]
    for data in (*said.results, said.stored, said.runs):
        for row in data.rows:
            assert list(row) in on_page
            assert list(row) in in_text
    accuracies = written["test_accuracy"].tolist()
    told = json.loads(json.dumps(results_json(stored)))
    assert [f"{row['test_accuracy']:.2f}" for row in told] == accuracies
    assert [row["test_accuracy"] for row in shown.rows(said.runs)] == accuracies

    ours = {row["Countermeasure"]: row for row in shown.rows(*said.results)}
    for row in terminal_cells(summarise(stored)):
        known = ours[row[3].replace("\n", "")]
        assert row[4:] == [known["Clean ceiling, %"], known["Protected, %"], known["Kept"]]
    assert record.verdict in "".join(Page(page).words)
    assert record.verdict in re.sub(r"\\(.)", r"\1", text)


def test_rows_of_several_tables_say_which_they_are_of():
    first, second = (view(findings(runs_of(cells), {}), context(), "").runs for cells in ([[1.0]] * 4, [[2.0]] * 4))
    assert "Table" not in shown.rows(first)[0]
    assert [row["Table"] for row in shown.rows(first, second)] == [first.caption] * 4 + [second.caption] * 4
