"""Frames that lack something: the report says what, and still opens, from its tables as well as from the runs."""

import math

import pytest

from infra.storage import Folder
from tasks.report.write import redraw
from tests.tasks.report.helpers import context, run, seeds
from tests.tasks.report.test_write import Page, report

MANY = tuple(f"class {at}" for at in range(1000))
ARABIC, SCRIPT = "قطة", "<script>alert(1)</script>"
CLEAN = seeds("none", "none", 89.0, 90.0, 91.0)
JPEG = seeds("none", "jpeg-10", 79.0, 80.0, 81.0)
OURS = seeds("error-minimizing", "none", 11.0, 12.0, 13.0)
FRAMES = {
    "a cell without runs": (
        [*CLEAN, *JPEG, *OURS],
        ["Not run: error-minimizing noise (sample-wise, 8/255) with tiny under jpeg-10."],
    ),
    "a seed that is missing": (
        [*CLEAN, *OURS[:2]],
        ["Not every number has the same seeds: from 2 to 3 of them."],
    ),
    "an accuracy that is no number": (
        [*CLEAN, OURS[0], run(seed=1, accuracy=math.nan, diverged=True)],
        ["1 run diverged and is left out of the means", "under none"],
    ),
    "no number at all": (
        [run("none", accuracy=math.nan, diverged=True), run(accuracy=math.nan, diverged=True)],
        ["can't be judged: no run of tiny on it came to an end", "2 runs diverged"],
    ),
    "one seed": (
        [CLEAN[0], OURS[0]],
        ["Only one seed was run: one run proves little; use at least 3."],
    ),
    "no clean baseline": (
        OURS,
        ["with no clean baseline to compare with", "how much protection is kept is not known"],
    ),
    "nothing but the baseline": (
        CLEAN,
        ["Nothing protected was evaluated", "No victim was trained on error-minimizing noise (sample-wise, 8/255)."],
    ),
    "a thousand classes": (
        [run("none", accuracy=60.0, classes=MANY, confusion=()), run(accuracy=1.0, classes=MANY, confusion=())],
        [
            "chance at 0.10 %",
            "98.5 % of the protection",
            "No run under plain training left a confusion matrix.",
        ],
    ),
    "classes that are written from the right, or are code": (
        [run("none", accuracy=90.0, classes=(ARABIC, SCRIPT)), run(accuracy=50.0, classes=(ARABIC, SCRIPT))],
        ["chance at 50.00 %"],
    ),
    "no pictures and no curves": (
        [run("none", accuracy=90.0, curve=(), confusion=()), run(curve=(), confusion=())],
        ["No pictures were given to show.", "No run left a learning curve."],
    ),
}


@pytest.fixture(params=["written", "drawn again"])
def drawn(request, tmp_path):
    """What gives a report's page and markdown: as it is written, or as its tables give it."""

    def draw(runs):
        folder, record, page, text = report(tmp_path, runs)
        if request.param == "written":
            return record, page, text
        record = redraw(folder)
        return record, folder.read("report.html").decode(), folder.read("report.md").decode()

    return draw


@pytest.mark.parametrize(("runs", "said"), FRAMES.values(), ids=FRAMES)
def test_what_is_missing_is_said_and_the_report_opens(drawn, runs, said):
    record, page, text = drawn(runs)
    assert record.rows == len(runs)
    words = "".join(Page(page).words)
    plain = text.replace("\\", "")
    for sentence in said:
        assert sentence in words
        assert sentence in plain
    assert record.verdict in words
    assert "nan" not in words.split()


def test_names_from_everywhere_are_text_in_every_chart_and_table(drawn):
    runs, _ = FRAMES["classes that are written from the right, or are code"]
    _, page, _ = drawn(runs)
    read = Page(page)
    assert ARABIC in page
    assert SCRIPT not in page
    # Ours, with the charts and their library as data beside them: none came with the names.
    kinds = [given.get("type", "text/javascript") for tag, given in read.tags if tag == "script"]
    assert kinds.count("text/javascript") == 1


def test_a_frame_without_a_run_is_refused_and_nothing_is_written(tmp_path):
    from infra.errors import DataError

    with pytest.raises(DataError, match="no runs"):
        report(tmp_path, [])
    assert list(Folder(str(tmp_path)).list()) == []


def test_a_report_without_protected_copies_says_so(tmp_path):
    _, _, page, text = report(tmp_path, FRAMES["one seed"][0], protected=())
    for drawn_ in ("".join(Page(page).words), text):
        assert "No protected copy was measured." in drawn_
    assert context().protected  # it is there where it was measured
