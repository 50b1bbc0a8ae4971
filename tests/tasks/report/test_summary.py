import io
import math

import pytest
from rich.console import Console

from tasks.report.frame import frame
from tasks.report.summary import SUMMARY_COLUMNS, summarise, worst_case
from tasks.report.terminal import summary_table
from tests.tasks.report.helpers import grid_of_runs, run, seeds


def cell(runs, countermeasure="none", method="error-minimizing"):
    table = summarise(frame(runs))
    assert list(table.columns) == SUMMARY_COLUMNS
    return table[(table["method"] == method) & (table["countermeasure"] == countermeasure)].iloc[0]


def test_means_spreads_and_protection_kept_by_hand():
    runs = [
        *seeds("none", "none", 88.0, 90.0, 95.0),
        *seeds("error-minimizing", "none", 10.0, 14.0, 12.0, peak_test_accuracy=20.0),
    ]
    row = cell(runs)
    assert row["seeds"] == 3
    assert row["mean"] == 12.0
    assert row["std"] == pytest.approx(2.0)
    assert row["peak_mean"] == 20.0
    assert row["ceiling"] == pytest.approx(91.0)
    assert row["ceiling_std"] == pytest.approx(math.sqrt((9 + 1 + 16) / 2))
    assert row["chance"] == 10.0
    assert row["kept"] == pytest.approx((91 - 12) / (91 - 10))


def test_ceiling_is_that_of_the_same_victim_and_countermeasure():
    runs = [*grid_of_runs(), run("none", victim="resnet18", accuracy=95.0), run(victim="resnet18", accuracy=50.0)]
    assert cell(runs, "jpeg-10")["ceiling"] == 80.0
    assert cell(runs, "none")["ceiling"] == 95.0


def test_ceilings_of_another_dataset_do_not_count():
    assert math.isnan(cell([run("none", accuracy=90.0, dataset="other"), run()])["ceiling"])


def test_kept_is_at_most_one_and_may_be_below_zero():
    assert cell([run("none", accuracy=90.0), run(accuracy=5.0)])["kept"] == 1.0
    assert cell([run("none", accuracy=90.0), run(accuracy=98.0)])["kept"] == pytest.approx(-0.1)


@pytest.mark.parametrize("runs", [[run()], [run("none", accuracy=10.0), run()], [run("none", accuracy=8.0), run()]])
def test_kept_is_missing_without_a_ceiling_above_chance(runs):
    assert math.isnan(cell(runs)["kept"])


def test_one_seed_has_no_spread():
    assert math.isnan(cell([run()])["std"])


def test_diverged_runs_are_counted_and_left_out():
    runs = [run(accuracy=12.0), run(seed=1, accuracy=99.0, diverged=True), run(seed=2, accuracy=math.nan)]
    row = cell(runs)
    assert (row["seeds"], row["diverged"], row["mean"]) == (1, 2, 12.0)


def test_copies_that_differ_in_their_variant_are_cells_of_their_own():
    patch = {"variant": "patch 16"}
    runs = [run("none", accuracy=90.0), run(accuracy=10.0), *seeds("error-minimizing", "none", 30.0, 50.0, **patch)]
    table = summarise(frame(runs))
    assert list(table["variant"]) == ["", "", "patch 16"]
    assert list(table["mean"]) == [90.0, 10.0, 40.0]
    assert list(table["kept"][1:]) == [1.0, pytest.approx(50 / 80)]
    assert list(worst_case(table)["variant"]) == ["", "patch 16"]


def test_worst_case_is_the_highest_mean_and_names_the_highest_peak():
    runs = [
        *grid_of_runs(),
        run("none", "grayscale", accuracy=85.0),
        run(countermeasure="grayscale", accuracy=20.0, peak_test_accuracy=75.0),
        run(countermeasure="blur", accuracy=math.nan, diverged=True),
    ]
    (row,) = worst_case(summarise(frame(runs))).to_dict("records")
    assert (row["countermeasure"], row["mean"], row["ceiling"]) == ("jpeg-10", 70.0, 80.0)
    assert (row["peak_countermeasure"], row["highest_peak"]) == ("grayscale", 75.0)
    assert (row["plain_mean"], row["plain_ceiling"], row["tried"]) == (12.0, 90.0, 2)


def test_terminal_table_fits_80_columns_and_takes_no_markup_from_names():
    runs = [*grid_of_runs(), run(victim="[red]v")]
    console = Console(width=80, file=io.StringIO())
    console.print(summary_table(summarise(frame(runs))))
    text = console.file.getvalue()
    assert "error-minimizing sample-wise" in text
    assert "12.00 ± 1.00" in text
    assert "14.3 %" in text
    assert "[red]v" in text


@pytest.mark.parametrize(
    ("victim", "lines"),
    [("tiny-w16-32-64-64", ["tiny-w16-", "32-64-64"]), ("resnet18-w16", ["resnet18-", "w16"]), ("tiny", ["tiny"])],
)
def test_terminal_table_folds_a_long_victim_and_nothing_else(victim, lines):
    runs = [one.model_copy(update={"victim": victim}) for one in grid_of_runs()]
    console = Console(width=80, file=io.StringIO())
    console.print(summary_table(summarise(frame(runs))))
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    first = next(i for i, row in enumerate(rows) if row[:2] == ["error-minimizing", "sample-wise"])
    assert rows[first][2:4] == [lines[0], "none"]
    assert rows[first + 1 : first + len(lines)] == [[line] for line in lines[1:]]


def test_terminal_table_tells_variants_where_there_are_some():
    runs = [*grid_of_runs(), *seeds("error-minimizing", "none", 11.0, 12.0, variant="patch 16")]
    console = Console(width=80, file=io.StringIO())
    console.print(summary_table(summarise(frame(runs))))
    text = console.file.getvalue()
    below = [line.split() for line in text.splitlines()]
    assert ["patch", "16"] in below
    assert below[below.index(["patch", "16"]) - 1][:2] == ["error-minimizing", "sample-wise"]
    assert "12.00 ± 1.00" in text


def test_terminal_table_tells_shares_and_parts_where_there_are_some():
    parts = (("all", 86.0), ("clean", 84.0), ("protected", 12.0))
    runs = [*grid_of_runs(), *(run(accuracy=mean, fraction=0.8, part=part) for part, mean in parts)]
    text = printed(runs)
    rows = [line.split() for line in text.splitlines()]
    assert rows.count(["on", "80", "%"]) == 3
    assert ["protected", "part"] in rows
    clean = next(row for row in rows if "84.00" in row)
    assert clean[-1] == "–"  # a reference, no protection
    assert next(row for row in rows if "86.00" in row)[-2:] == ["5.0", "%"]


def test_terminal_table_of_a_large_suite_fits_80_columns():
    names = ("none", "adversarial-training-8", "orthogonal-projection", "early-stopping", "jpeg-10")
    runs = [one for name in names for one in seeds("error-minimizing", name, 9.0, 10.0, victim="resnet18-w16")]
    runs += [one for name in names for one in seeds("none", name, 89.0, 91.0, victim="resnet18-w16")]
    text = printed(runs)
    assert max(map(len, text.splitlines())) <= 80
    rows = [line.split() for line in text.splitlines()]
    assert len([row for row in rows if "sample-wise" in row]) == 1
    for line in ("adversarial-", "training-8", "orthogonal-", "projection"):
        assert any(line in row for row in rows)
    assert len([row for row in rows if "9.50" in row]) == len(names)


def test_terminal_table_says_nothing_of_protection_where_only_some_classes_are_protected():
    runs = [run("none", accuracy=90.0)]
    for variant in ("class cat", "l2, classes cat/dog", "3 classes", "two sets"):
        runs.append(run(accuracy=80.0, variant=variant))
    kept = [line.split()[-1] for line in printed(runs).splitlines() if "80.00" in line]
    assert kept == ["–", "–", "–", "%"]  # two sets come last, and cover every class


def printed(runs):
    console = Console(width=80, file=io.StringIO())
    console.print(summary_table(summarise(frame(runs))))
    return console.file.getvalue()
