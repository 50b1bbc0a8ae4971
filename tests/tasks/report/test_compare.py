"""Two reports side by side."""

import math

from tasks.report.compare import Side, compare
from tasks.report.frame import frame
from tasks.report.summary import summarise
from tests.tasks.report.helpers import context, grid_of_runs, run, seeds


def side(name, runs, **settings):
    return Side(name, context(settings=settings), summarise(frame(runs)))


def cells(found):
    return {(row[0].split(", ", 1)[1], row[2]): row[3:] for row in found.cells.rows}


PROTECTED = "error-minimizing noise (sample-wise, 8/255)"


def test_only_what_exceeds_the_spread_over_seeds_is_called_a_difference():
    found = compare(side("monday", grid_of_runs(jpeg=70.0, plain=12.0)), side("tuesday", grid_of_runs(70.5, 30.0)))
    rows = cells(found)
    assert rows[PROTECTED, "none"] == ("12.00 ± 1.00", "30.00 ± 1.00", "+18.00", "1.41", "higher")
    assert rows[PROTECTED, "jpeg-10"] == ("70.00 ± 1.00", "70.50 ± 1.00", "+0.50", "1.41", "within the spread")
    assert "Of 4 numbers that both have, 1 differs by more than the spread: 1 higher in the second." in found.sentences
    marked = [found.cells.rows[at][2] for at in found.cells.marked]
    assert marked == ["none"]
    back = cells(compare(side("t", grid_of_runs(70.5, 30.0)), side("m", grid_of_runs(70.0, 12.0))))
    assert back[PROTECTED, "none"][2:] == ("-18.00", "1.41", "lower")


def test_one_seed_differs_by_more_than_four_points_or_not():
    one = [run("none", "none", 0, 90.0), run("error-minimizing", "none", 0, 20.0)]
    for other, said in ((23.9, "within the spread"), (24.1, "higher")):
        two = [run("none", "none", 0, 90.0), run("error-minimizing", "none", 0, other)]
        assert cells(compare(side("a", one), side("b", two)))[PROTECTED, "none"][-1] == said


def test_what_one_alone_has_and_what_has_no_number_is_said():
    one = [*seeds("none", "none", 90.0, 91.0), *seeds("error-minimizing", "none", 12.0, 13.0)]
    lost = [run(seed=seed, accuracy=math.nan, diverged=True) for seed in range(2)]
    two = [*seeds("none", "grayscale", 90.0, 91.0), *lost]
    rows = cells(compare(side("a", one), side("b", two)))
    assert rows["clean data", "none"][-1] == "only in the first"
    assert rows["clean data", "grayscale"][-1] == "only in the second"
    assert rows[PROTECTED, "none"][2:] == ("–", "–", "not known")
    nothing = compare(side("a", one[:1]), side("b", two[:1]))
    assert "They have no number in common." in nothing.sentences


def test_settings_that_differ_are_named_and_places_are_not():
    runs = grid_of_runs()
    one = side("a", runs, seeds=3, workspace="/here", victims=[{"kind": "tiny", "recipe": {"epochs": 8}}])
    two = side("b", runs, seeds=5, workspace="/there", victims=[{"kind": "tiny", "recipe": {"epochs": 9}}])
    found = compare(one, two)
    assert found.settings.rows == (("seeds", "3", "5"), ("victims.1.recipe.epochs", "8", "9"))
    assert found.sentences[0].startswith("2 settings or versions differ")
    same = compare(one, one)
    assert (same.settings.rows, same.sentences[0]) == (
        (),
        "Both were asked for the same (places and machines left out).",
    )
