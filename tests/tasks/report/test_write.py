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
from tasks.report.frame import confusion, curves, frame
from tasks.report.write import write_report
from tests.tasks.report.helpers import CLASSES, context, grid_of_runs, protected_set, run

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
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.cells[-1][-1] += data


def report(tmp_path, runs, pictures=None, **changes):
    folder = Folder(str(tmp_path))
    record = write_report(folder, runs, context(**changes), {} if pictures is None else pictures)
    return folder, record, folder.read("report.html").decode(), folder.read("report.md").decode()


def markdown_rows(text):
    return [[cell.strip() for cell in line[1:-1].split(" | ")] for line in text.splitlines() if line.startswith("| ")]


def test_every_file_is_written_and_the_record_names_the_report(tmp_path):
    folder, record, _, _ = report(tmp_path, grid_of_runs(), {"cats": PAIR})
    tables = {"results.parquet", "results.csv", "curves.parquet", "confusion.parquet"}
    figures = {
        "figures/learning-curves.svg",
        "figures/confusion-1-clean-data-tiny.svg",
        "figures/confusion-2-error-minimizing-noise-sample-wise-8-255-tiny.svg",
        "figures/pictures-1-cats.png",
    }
    assert set(folder.list()) == {*tables, *figures, "report.md", "report.html", "report.json"}
    assert folder.load("report.json", ReportRecord) == record
    assert record.report == f"{tmp_path}/report.html"
    assert record.rows == 12
    assert record.verdict.startswith("Error-minimizing noise (sample-wise, 8/255) is undone by jpeg-10")


def test_parquet_round_trip_keeps_full_precision(tmp_path):
    runs = [run(accuracy=100 / 3), run(seed=1, accuracy=math.nan, diverged=True)]
    folder, *_ = report(tmp_path, runs)
    for name, table in (("results", frame(runs)), ("curves", curves(runs)), ("confusion", confusion(runs))):
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
                assert cell == ("" if math.isnan(value) else f"{value:.2f}")
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
    assert "33.33 %" in text.split("##")[0]
    assert "| 8 | 8 | 123.5 | 0.432 | 33.22 | 0.011 |" in text


def test_html_asks_nothing_of_any_network(tmp_path):
    _, _, page, _ = report(tmp_path, grid_of_runs(), {"cats": PAIR}, title=HOSTILE)
    parsed = Page(page)
    for tag, attributes in parsed.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href", "srcset", "data", "action", "poster", "xlink:href"}:
                assert value.startswith("data:image/")
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
    assert "<script" not in page
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
    ],
    ids=["one run", "clean only", "diverged", "1000 classes", "no classes"],
)
def test_thin_evidence_still_gives_a_report(tmp_path, runs):
    _, record, page, text = report(tmp_path, runs, protected=(), settings={}, versions={})
    assert record.verdict
    for place in (page, text):
        assert "No pictures were given to show." in place
        assert "No protected copy was measured." in place
        assert "nan" not in re.sub(r"base64,[^\"]*", "", place).lower()
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


def test_several_copies_and_unmeasured_ones(tmp_path):
    runs = [*grid_of_runs(), run("random", accuracy=80.0), run(fraction=0.8, accuracy=60.0)]
    _, _, page, _ = report(tmp_path, runs, protected=(protected_set(), protected_set(psnr=None, noise_error=None)))
    captions = sum("accuracy on clean test pictures; chance 10.00 %" in words for words in Page(page).words)
    assert captions == 3


def test_variants_norms_and_weak_fits_are_shown_everywhere(tmp_path):
    l2 = {"norm": "l2", "epsilon": 300, "variant": "l2", "max_l2": 299.9}
    copies = (protected_set(), protected_set(converged=False, noise_error=0.25, **l2))
    runs = [
        *grid_of_runs(),
        *(each.model_copy(update={"variant": "l2", "epsilon": 300}) for each in grid_of_runs()[6:]),
    ]
    folder, _, page, text = report(tmp_path, runs, protected=copies)
    name = "error-minimizing noise (sample-wise, 300/255, l2)"
    row = [name, "1000", "1000", "300 (L2)", "8", "299.9", "0.432", "33.22", "0.250 (not converged)"]
    assert row in Page(page).cells
    assert row in markdown_rows(text)
    warned = [attributes for tag, attributes in Page(page).tags if tag == "p" and attributes.get("class") == "warning"]
    assert len(warned) == 1
    assert f"Warning: the fit of {name} did not converge (error 0.25)" in "".join(Page(page).words)
    assert name in folder.read("figures/learning-curves.svg").decode()
    assert len([file for file in folder.list() if file.startswith("figures/confusion")]) == 3
    read = pd.read_parquet(io.BytesIO(folder.read("results.parquet")))
    assert set(read["variant"]) == {"", "l2"}
