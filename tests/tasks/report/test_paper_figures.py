"""The paper's figures: what stands in them, from the SVG's own text."""

import json
import math
from xml.etree import ElementTree

import pytest

from schemas.experiments import Scale
from tasks.report.charts.look import to_spec
from tasks.report.paper_curves import curves
from tasks.report.paper_figures import draw, slug, titled
from tasks.report.paper_lines import lines
from tests.tasks.report.helpers import run, seeds, verified
from tests.tasks.report.paper_helpers import CLASS_WISE, SAMPLE_WISE, one, outcome, result

SVG = "{http://www.w3.org/2000/svg}"


def texts(drawing):
    found = ElementTree.fromstring(drawing.encode()).iter(f"{SVG}text")
    return [text for element in found for text in element.itertext()]


def panels(chart):
    """Of each panel its title, and the rows of the data behind each of its layers."""
    spec = to_spec(chart, "A figure")
    named = spec["datasets"]
    return [
        (panel.get("title"), [named[layer.get("data", panel.get("data"))["name"]] for layer in panel["layer"]])
        for panel in spec.get("hconcat", [spec])
    ]


def marks(chart):
    """The layers of a chart of one panel, as (kind of mark, its rows)."""
    ((_, rows),) = panels(chart)
    layers = to_spec(chart, "A figure")["layer"]
    return [(layer["mark"], data) for layer, data in zip(layers, rows, strict=True)]


def drawn(kind, found, scale: Scale = "full", **changes):
    return draw(result(*(each for each, *_ in found), drawing=kind, **changes), found, scale)


def of(row, column, noise, *accuracies, paper=None, **changes):
    """An experiment, its runs, a seed each, and what came out."""
    experiment = one(row, column, noise, paper=paper)
    method = noise.method.kind if noise else "none"
    runs = tuple(seeds(method, "none", *accuracies, **({"form": noise.method.form} if noise else {}), **changes))
    return experiment, runs, outcome(experiment, *accuracies)


def gone(row, column, noise, paper=None):
    """The same where all runs diverged."""
    experiment = one(row, column, noise, paper=paper)
    return experiment, (run(diverged=True, accuracy=math.nan),), outcome(experiment, diverged=1)


CURVES = [
    of("clean", "clean", None, 90.0, 92.0),
    of("error-min", "sample-wise", SAMPLE_WISE, 20.0, 24.0),
    of("other", "sample-wise", SAMPLE_WISE, 30.0, 34.0, variant="other"),
    of("error-min", "class-wise", CLASS_WISE, 15.0, 17.0),
]


def test_curves_have_a_panel_a_column_and_clean_data_in_each():
    drawing = drawn("curves", CURVES, "small")["curves.svg"]
    said = texts(drawing)
    assert said.count("epoch") == 2
    assert {"sample-wise", "class-wise", "clean", "error-min", "other", "chance", "table9 (small scale)"} <= set(said)
    named = [{row["name"] for rows in layers for row in rows if "name" in row} for _, layers in panels(curves(CURVES))]
    assert named == [{"clean", "error-min", "other"}, {"clean", "error-min"}]
    alone = [
        {row["name"] for rows in layers for row in rows if "name" in row} for _, layers in panels(curves(CURVES[1:]))
    ]
    assert alone == [{"error-min", "other"}, {"error-min"}]


def test_curves_are_told_apart_by_dashes_and_have_bands_and_chance():
    spec = to_spec(curves(CURVES), "A figure")
    (lines_,) = [layer for layer in spec["hconcat"][0]["layer"] if layer["mark"]["type"] == "line"]
    dashes = dict(zip(*(lines_["encoding"]["strokeDash"]["scale"][name] for name in ("domain", "range")), strict=True))
    assert dashes["clean"] == [1, 0]
    assert len(set(map(tuple, dashes.values()))) == 3
    kinds = [[layer["mark"]["type"] for layer in panel["layer"]] for panel in spec["hconcat"]]
    assert [each.count("area") for each in kinds] == [1, 1]
    assert {row["chance"] for _, layers in panels(curves(CURVES)) for rows in layers for row in rows if "chance" in row}
    one_seed = [(experiment, runs[:1], found) for experiment, runs, found in CURVES]
    assert '"area"' not in json.dumps(to_spec(curves(one_seed), "A figure"))


def test_the_best_epoch_is_no_panel_of_its_own():
    peak = one("error-min", "class-wise, best epoch", CLASS_WISE, measured="peak")
    found = [*CURVES, (peak, CURVES[3][1], outcome(peak, 50.0))]
    assert "class-wise, best epoch" not in texts(drawn("curves", found)["curves.svg"])


def test_nothing_that_finished_is_no_figure():
    lost = [gone("error-min", "class-wise", CLASS_WISE)]
    assert drawn("curves", lost) == drawn("confusion", lost) == drawn("roc", lost) == drawn("table", CURVES) == {}


SHARES = [
    of("Du + Dc", "0 %", None, 90.0, 92.0, paper=94.95),
    of("Du + Dc", "50 %", CLASS_WISE, 70.0, 74.0, paper=93.1),
    of("Dc alone", "0 %", None, 90.0, 92.0),
]


def test_lines_name_what_the_columns_count_and_the_crosses_where_there_are_some():
    said = texts(drawn("lines", SHARES, across="share that is protected, %")["lines.svg"])
    assert {"share that is protected, %", "clean test accuracy, %", "Du + Dc", "Dc alone"} <= set(said)
    assert "crosses: the paper" in said
    bare = [of("Du + Dc", "0 %", None, 90.0), of("Du + Dc", "50 %", CLASS_WISE, 70.0)]
    assert "crosses: the paper" not in texts(drawn("lines", bare)["lines.svg"])


def test_a_row_is_a_level_only_where_it_has_one_experiment():
    def levels(found):
        return [row["row"] for mark, rows in marks(lines(found, "epsilon")) if mark["type"] == "rect" for row in rows]

    level = of("clean", "0", None, 90.0)
    several = [of("sample-wise", "8", SAMPLE_WISE, 80.0), of("sample-wise", "16", SAMPLE_WISE, 70.0)]
    assert levels([level, *several]) == ["clean"]
    assert levels(several) == []
    assert levels([several[0], gone("sample-wise", "16", SAMPLE_WISE)]) == []


def test_the_papers_numbers_are_crosses_whatever_became_of_ours():
    found = [
        of("clean", "0", None, 90.0, paper=95.0),
        of("sample-wise", "8", SAMPLE_WISE, 80.0, paper=85.0),
        gone("sample-wise", "16", SAMPLE_WISE, paper=79.0),
        gone("class-wise", "8", CLASS_WISE, paper=80.0),
    ]
    (crosses,) = [rows for mark, rows in marks(lines(found, "epsilon")) if str(mark.get("shape", "")).startswith("M")]
    assert [(row["x"], row["mean"]) for row in crosses] == [(0, 95.0), (8, 85.0), (16, 79.0), (8, 80.0)]
    only = marks(lines([gone("class-wise", "8", CLASS_WISE)], "epsilon"))
    assert [mark["type"] for mark, _ in only] == ["point"]  # axes alone


def test_each_copy_has_a_confusion_matrix_that_tells_its_row():
    pair = of("class-wise, bird/cat", "protected", CLASS_WISE, 20.0)
    found = [
        of("class-wise, bird/cat", "protected, clean data", None, 90.0),
        pair,
        (one("class-wise, bird/cat", "others", CLASS_WISE), *pair[1:]),
        of("sample-wise, bird", "protected", SAMPLE_WISE, 25.0),
    ]
    drawings = drawn("confusion", found, "small")
    assert list(drawings) == ["confusion-class-wise-bird-cat.svg", "confusion-sample-wise-bird.svg"]
    said = texts(drawings["confusion-class-wise-bird-cat.svg"])
    assert {"table9 (small scale)", "class-wise, bird/cat; tiny, seed 0", "true class"} <= set(said)


def test_two_copies_in_a_row_have_names_of_their_own():
    found = [of("both", "8/255", CLASS_WISE, 20.0), of("both", "8-255", SAMPLE_WISE, 20.0)]
    assert list(drawn("confusion", found)) == ["confusion-both-8-255.svg", "confusion-both-8-255-2.svg"]


def test_a_confusion_matrix_is_of_the_first_run_that_finished():
    wild = run(form="class-wise", diverged=True, accuracy=math.nan)
    experiment, runs, found = of("bird", "protected", CLASS_WISE, 20.0, 21.0)
    (drawing,) = drawn("confusion", [(experiment, (wild, runs[1]), found)]).values()
    assert "bird; tiny, seed 1" in texts(drawing)


@pytest.mark.parametrize(("number", "drawings"), [(50, 1), (51, 0)])
def test_a_matrix_of_more_than_fifty_classes_says_nothing(number, drawings):
    classes = tuple(f"class {at}" for at in range(number))
    assert len(drawn("confusion", [of("ship", "ship", CLASS_WISE, 20.0, classes=classes)])) == drawings


def test_the_roc_has_a_line_a_copy_and_its_title():
    auc = one("clean", "AUC", measured="auc"), one("protected", "AUC", CLASS_WISE, measured="auc")
    runs = (
        tuple(seeds("none", "none", 90.0, verification=verified(0.99))),
        tuple(seeds("error-minimizing", "none", 20.0, 21.0, form="class-wise", verification=verified(0.6))),
    )
    found = [(each, several, outcome(each, 0.9)) for each, several in zip(auc, runs, strict=True)]
    said = texts(drawn("roc", found, "small", name="fig7")["roc.svg"])
    assert {"fig7 (small scale)", "clean data", "error-minimizing noise (class-wise, 8/255)", "0.6000"} <= set(said)


def test_a_title_is_plain_text_and_the_name_of_the_figure():
    drawing = ElementTree.fromstring(titled(lines(SHARES, "share"), "<b>a & b</b>", "c").encode())
    assert drawing.attrib["aria-label"] == "<b>a & b</b>: c"
    said = [text for each in drawing.iter(f"{SVG}text") for text in each.itertext()]
    assert {"<b>a & b</b>", "c"} <= set(said)


@pytest.mark.parametrize(
    ("text", "name"), [("class-wise, bird/cat", "class-wise-bird-cat"), ("Du + Dc", "du-dc"), ("猫", "row")]
)
def test_file_names_are_plain(text, name):
    assert slug(text) == name
