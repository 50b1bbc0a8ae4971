import base64
import csv
import io
import math
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from infra.errors import DataError
from infra.storage import Folder
from schemas.evaluate import ReportRecord
from tasks.report.context_tables import stored_table
from tasks.report.display import MISSING
from tasks.report.frame import curves, frame
from tasks.report.tidy import confusion, per_class
from tasks.report.write import write_report
from tests.tasks.report.helpers import (
    CLASSES,
    by_class,
    context,
    grid_of_runs,
    obeyed,
    protected_set,
    run,
    stopped,
    verified,
)

HOSTILE = '<script>alert("x")</script>|`a`[b](http://evil)'
PAIR = (np.zeros((2, 8, 8, 3), np.uint8), np.full((2, 8, 8, 3), 8, np.uint8))


class Page(HTMLParser):
    """Tags, attributes, text and table cells of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.words, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            return
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.cells[-1][-1] += data


def report(tmp_path, runs, pictures=None, covered=None, **changes):
    folder = Folder(str(tmp_path))
    record = write_report(folder, runs, context(**changes), pictures or {}, covered or {})
    return folder, record, folder.read("report.html").decode(), folder.read("report.md").decode()


def markdown_rows(text):
    return [[cell.strip() for cell in line[1:-1].split(" | ")] for line in text.splitlines() if line.startswith("| ")]


def test_every_file_is_written_and_the_record_names_the_report(tmp_path):
    folder, record, _, _ = report(tmp_path, grid_of_runs(), {"cats": PAIR})
    tables = {"results.parquet", "results.csv", "curves.parquet", "confusion.parquet", "per_class.parquet"}
    figures = {
        "figures/learning-curves.svg",
        "figures/confusion-1-clean-data-tiny.svg",
        "figures/confusion-2-error-minimizing-noise-sample-wise-8-255-tiny.svg",
        "figures/pictures-1-cats.png",
    }
    assert set(folder.list()) == {*tables, *figures, "report.md", "report.html", "report.json", "context.json"}
    assert folder.load("report.json", ReportRecord) == record
    assert record.report == f"{tmp_path}/report.html"
    assert record.rows == 12
    assert record.verdict.startswith("Error-minimizing noise (sample-wise, 8/255) is undone by jpeg-10")


def test_parquet_round_trip_keeps_full_precision(tmp_path):
    runs = [run(accuracy=100 / 3), run(seed=1, accuracy=math.nan, diverged=True)]
    folder, *_ = report(tmp_path, runs)
    tables = {"results": frame(runs), "curves": curves(runs), "confusion": confusion(runs)}
    for name, table in {**tables, "per_class": per_class(runs, {})}.items():
        read = pd.read_parquet(io.BytesIO(folder.read(f"{name}.parquet")))
        pd.testing.assert_frame_equal(read, table)


def test_csv_html_and_markdown_agree_with_the_frame_to_the_digit(tmp_path):
    runs = [
        *grid_of_runs(),
        run(seed=3, accuracy=100 / 3, peak_test_accuracy=200 / 3),
        run(seed=4, accuracy=math.nan, diverged=True),
    ]
    folder, _, page, text = report(tmp_path, runs)
    table = frame(runs)
    written = list(csv.reader(io.StringIO(folder.read("results.csv").decode())))
    assert written[0] == list(table.columns)
    assert len(written) == len(table) + 1
    for row, line in zip(table.to_dict("records"), written[1:], strict=True):
        for name, cell in zip(table.columns, line, strict=True):
            value = row[name]
            if isinstance(value, float) and name != "fraction":
                assert cell == ("" if math.isnan(value) else f"{value:.{4 if name == 'auc' else 2}f}")
            else:
                assert cell == str(value)
    expected = [[(cell or "–") for cell in [*line[:-1], line[-1][:12]]] for line in written[1:]]
    assert Page(page).cells[-len(table) :] == expected
    assert markdown_rows(text)[-len(table) :] == expected


def test_html_and_markdown_show_the_same_results(tmp_path):
    _, _, page, text = report(tmp_path, grid_of_runs(jpeg=33.333))
    rows = [
        ["tiny", "none", "holds", "90.00 ± 1.00", "12.00 ± 1.00", "97.5 %", "12.00", "3"],
        ["tiny", "jpeg-10", "partly, worst case", "80.00 ± 1.00", "33.33 ± 1.00", "66.7 %", "33.33", "3"],
    ]
    for row in rows:
        assert row in Page(page).cells
        assert row in markdown_rows(text)
    assert "33.33 ± 1.00 %" in text.split("##")[0]
    assert "| 8 | 8 | 123.5 | 0.432 | 33.22 | – | 0.011 |" in text


def require_alone(page):
    """Nothing on the page is loaded from anywhere, and no script runs but the two that its policy names by hash."""
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href", "srcset", "data", "action", "poster", "xlink:href"}:
                assert value.startswith(("data:image/", "#"))
                assert tag != "script"
    scripts = [attributes.get("type") for tag, attributes in page.tags if tag == "script"]
    assert scripts.count(None) == 1
    assert set(scripts) <= {None, "text/plain", "application/json"}
    (policy,) = [attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-")
    assert "http" not in policy


def test_html_asks_nothing_of_any_network(tmp_path):
    _, _, page, _ = report(tmp_path, grid_of_runs(), {"cats": PAIR}, title=HOSTILE)
    parsed = Page(page)
    require_alone(parsed)
    assert "@import" not in page
    assert "url(" not in page
    images = [attributes for tag, attributes in parsed.tags if tag == "img"]
    assert len(images) == 4
    for image in images:
        assert image["alt"]
        inner = base64.b64decode(image["src"].split(",")[1])
        if b"<svg" in inner:
            assert not re.search(rb'(href|src)="(?!#|data:)', inner)
            assert not re.search(rb"url\((?!#)", inner)
            assert b"<script" not in inner


def test_html_is_for_everyone(tmp_path):
    _, _, page, _ = report(tmp_path, grid_of_runs())
    parsed = Page(page)
    tags = [tag for tag, _ in parsed.tags]
    assert ("html", {"lang": "en"}) in parsed.tags
    assert tags.count("table") == tags.count("caption") == tags.count("thead")
    assert all("scope" in attributes for tag, attributes in parsed.tags if tag == "th")
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    order = ["verdict", "results", "curves", "confusion", "pictures", "stored", "configuration", "truths", "runs"]
    places = [page.index('class="verdict"' if name == "verdict" else f'id="{name}"') for name in order]
    assert places == sorted(places)


def test_hostile_names_stay_text(tmp_path):
    classes = (HOSTILE, "قطة", *CLASSES[2:])
    changes = {"title": HOSTILE, "notes": (HOSTILE,), "settings": {HOSTILE: HOSTILE}, "versions": {HOSTILE: "1"}}
    runs = [run(classes=classes, dataset=HOSTILE, victim=HOSTILE, countermeasure=name) for name in ("none", HOSTILE)]
    _, _, page, text = report(tmp_path, runs, {HOSTILE: PAIR}, **changes)
    assert HOSTILE not in page
    assert page.count("<script>") == 1  # the page's own
    assert HOSTILE in "".join(Page(page).words)
    assert "<script" not in text
    assert not re.search(r"(?<!\\)\]\(http", text)
    assert "http://" not in text
    for line in text.splitlines():
        if line.startswith("| "):
            assert "script" not in line or "\\|" in line


def test_names_in_other_scripts_are_kept(tmp_path):
    _, _, page, text = report(tmp_path, [run(classes=("قطة", "كلب"), confusion=((3, 1), (2, 1)))], title="صور")
    for place in (page, text):
        assert "صور" in place
        assert "Its most frequent answer, قطة, makes up 71.43 % of all." in place


@pytest.mark.parametrize(
    "runs",
    [
        [run()],
        [run("none", accuracy=90.0)],
        [run(accuracy=math.nan, diverged=True, curve=(), confusion=())],
        [run(classes=tuple(f"class {number}" for number in range(1000)))],
        [run(classes=(), confusion=())],
        [stopped(run("none"), 90.0), stopped(run(), 40.0)],
    ],
    ids=["one run", "clean only", "diverged", "1000 classes", "no classes", "early stopping only"],
)
def test_thin_evidence_still_gives_a_report(tmp_path, runs):
    _, record, page, text = report(tmp_path, runs, protected=(), settings={}, versions={})
    assert record.verdict
    for place in (page, text):
        assert "No pictures were given to show." in place
        assert "No protected copy was measured." in place
    for words in (text, "".join(Page(page).words)):
        assert not re.search(r"\bnan\b", words, re.IGNORECASE)
    assert ("No run left a learning curve." in text) == (not runs[0].curve)


def test_no_runs_and_wrong_pictures_write_nothing(tmp_path):
    with pytest.raises(DataError, match="no runs"):
        report(tmp_path, [])
    with pytest.raises(DataError, match="no grid"):
        report(tmp_path, [run()], {"cats": (PAIR[0], PAIR[1][:1])})
    assert not list(tmp_path.iterdir())


def test_an_old_record_does_not_vouch_for_a_broken_write(tmp_path, monkeypatch):
    report(tmp_path, [run()])
    write = Folder.write

    def fail(self, name, data):
        if name == "report.html":
            raise OSError("gone")
        write(self, name, data)

    monkeypatch.setattr(Folder, "write", fail)
    with pytest.raises(OSError, match="gone"):
        report(tmp_path, [run(seed=1)])
    assert Folder(str(tmp_path)).load("report.json", ReportRecord) is None


def test_runs_of_many_classes_have_a_report_without_confusion_matrices(tmp_path):
    names, counts = tuple(f"class {number}" for number in range(250)), ((3, 4),) * 250
    many = {"classes": names, "confusion": (), "per_class": counts, "peak_per_class": counts}
    folder, _, page, _ = report(tmp_path, [each.model_copy(update=many) for each in grid_of_runs()])
    assert not [file for file in folder.list() if file.startswith("figures/confusion")]
    assert "No run under plain training left a confusion matrix." in " ".join(Page(page).words)
    assert (pd.read_parquet(io.BytesIO(folder.read("per_class.parquet")))["right"] == 3).all()


def test_where_nothing_changed_the_table_of_stored_bytes_has_no_means():
    still = {"changed": 0, "max_abs_change": 0, "max_l2": 0.0, "mean_l2": None, "psnr": None}
    table = stored_table(context(protected=(protected_set(**still),)))
    assert table.rows[0][6:9] == (MISSING,) * 3
    assert "over the changed pictures alone" in table.caption


def test_several_copies_and_unmeasured_ones(tmp_path):
    runs = [*grid_of_runs(), run("random", accuracy=80.0), run(fraction=0.8, accuracy=60.0)]
    _, _, page, _ = report(tmp_path, runs, protected=(protected_set(), protected_set(psnr=None, noise_error=None)))
    captions = sum("accuracy on clean test pictures; chance 10.00 %" in words for words in Page(page).words)
    assert captions == 3


def test_variants_norms_and_weak_fits_are_shown_everywhere(tmp_path):
    l2 = {"norm": "l2", "epsilon": 300, "variant": "l2", "max_l2": 299.9}
    copies = (protected_set(), protected_set(converged=False, noise_error=0.25, ssim=0.95123, **l2))
    runs = [
        *grid_of_runs(),
        *(each.model_copy(update={"variant": "l2", "epsilon": 300}) for each in grid_of_runs()[6:]),
    ]
    folder, _, page, text = report(tmp_path, runs, protected=copies)
    name = "error-minimizing noise (sample-wise, 300/255, l2)"
    row = [name, "1000", "1000", "300 (L2)", "8", "299.9", "0.432", "33.22", "0.9512", "0.250 (not converged)"]
    assert row in Page(page).cells
    assert row in markdown_rows(text)
    warned = [attributes for tag, attributes in Page(page).tags if tag == "p" and attributes.get("class") == "warning"]
    assert len(warned) == 1
    assert f"Warning: the fit of {name} did not converge (error 0.25)" in "".join(Page(page).words)
    assert name in folder.read("figures/learning-curves.svg").decode()
    assert len([file for file in folder.list() if file.startswith("figures/confusion")]) == 3
    read = pd.read_parquet(io.BytesIO(folder.read("results.parquet")))
    assert set(read["variant"]) == {"", "l2"}


def everything():
    """Parts, classes, faces and triggers, under countermeasures enough for a figure, three seeds each."""
    names = ("none", "early-stopping", "grayscale", "jpeg-10", "mixup")
    clean = {"verification": verified(0.99), "backdoor": obeyed(9.0)}
    some = {"form": "class-wise", "variant": "class b", "verification": verified(0.9)}
    whole = {"form": "class-wise", "verification": verified(0.6), "backdoor": obeyed(70.0)}
    share = "error-minimizing, class-wise, 8/255, on 80 % of the samples"
    runs = []
    for name in names:
        runs += by_class("none", name, ((90, 80, 70),) * 3, **clean)
        runs += by_class("error-minimizing", name, ((90, 4, 70),) * 3, **some)
        runs += by_class("error-minimizing", name, ((30, 31, 32),) * 3, **whole)
        for part in ("all", "clean", "protected"):
            parted = {"form": "class-wise", "fraction": 0.8, "part": part, "backdoor": obeyed(60.0, share)}
            runs += by_class("error-minimizing", name, ((80, 70, 60),) * 3, **parted)
    return runs, {"error-minimizing noise (class-wise, 8/255, class b)": frozenset("b")}


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    runs, covered = everything()
    return runs, covered, report(tmp_path_factory.mktemp("full"), runs, {"cats": PAIR}, covered)


def test_parts_classes_faces_and_triggers_have_tables_and_figures(full):
    runs, covered, (folder, _, page, text) = full
    files = set(folder.list())
    assert {f"{name}.parquet" for name in ("per_class", "verification", "roc", "backdoor")} <= files
    read = pd.read_parquet(io.BytesIO(folder.read("per_class.parquet")))
    pd.testing.assert_frame_equal(read, per_class(runs, covered))
    figures = {"figures/roc.svg", "figures/backdoor.svg"}
    assert figures <= files
    assert len([name for name in files if name.startswith("figures/countermeasures-")]) == 4
    assert len([name for name in files if name.startswith("figures/classes-")]) == 1
    titles = ("Every countermeasure", "Parts of a copy", "Face verification", "The noise as a trigger")
    for title in (*titles, "Protected classes and the others"):
        assert title in "".join(Page(page).words)
        assert f"## {title}" in text
    for row in (
        ["tiny", "none", "80.00 ± 0.00", "70.00 ± 0.00", "70.00 ± 0.00", "70.00 ± 0.00"],
        ["tiny", "none", "4.00 ± 0.00", "80.00 ± 0.00", "80.00 ± 0.00", "80.00 ± 0.00"],
    ):
        assert row in Page(page).cells
        assert row in markdown_rows(text)
    faces = ["0.9000 ± 0.0000", "0.9900 ± 0.0000", "0.5000 ± 0.0000", "0.5000 ± 0.0000", "3"]
    assert [row[3:] for row in Page(page).cells].count(faces) == 5


def test_a_full_report_asks_nothing_of_any_network_and_is_for_everyone(full):
    *_, (folder, _, page, _) = full
    parsed = Page(page)
    require_alone(parsed)
    images = [attributes for tag, attributes in parsed.tags if tag == "img"]
    drawn = [name for name in folder.list() if name.startswith("figures/")]
    assert len(images) == len(drawn)
    assert all(image["alt"] for image in images)
    tags = [tag for tag, _ in parsed.tags]
    assert tags.count("table") == tags.count("caption") == tags.count("thead")
    identifiers = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)


def test_the_worst_case_and_the_headlines_stand_out(full):
    *_, (_, _, page, text) = full
    parsed = Page(page)
    marked = [attributes for tag, attributes in parsed.tags if tag == "tr" and attributes.get("class") == "worst"]
    assert len(marked) == 4  # all but the table over all classes of the copy that protects one of them
    headlines = [attributes for tag, attributes in parsed.tags if attributes.get("class") == "headline"]
    assert len(headlines) == 4
    assert text.count("**Error-minimizing noise") == 4


def test_a_copy_that_protects_some_classes_has_no_judgement_over_all(full):
    *_, (_, _, page, _) = full
    assert ["tiny", "none", "–", "80.00 ± 0.00", "54.67 ± 0.00", "–", "54.67", "3"] in Page(page).cells


def test_many_classes_are_told_in_a_table(tmp_path):
    names = tuple(f"person {number:02}" for number in range(60))
    changes = {"classes": names, "form": "class-wise", "variant": "2 classes"}
    runs = [
        *by_class("none", "none", ((90,) * 60,), classes=names),
        *by_class("error-minimizing", "none", ((90,) * 58 + (3, 7),), **changes),
    ]
    covered = {"error-minimizing noise (class-wise, 8/255, 2 classes)": frozenset(names[-2:])}
    folder, _, page, _ = report(tmp_path, runs, covered=covered)
    assert not [name for name in folder.list() if "classes-1" in name and "confusion" not in name]
    rows = [row for row in Page(page).cells if row[0].startswith("person")]
    assert rows[:2] == [["person 58", "yes", "3.00", "90.00"], ["person 59", "yes", "7.00", "90.00"]]
    assert len(rows) == 50
    assert "the first 50 of 60" in page
