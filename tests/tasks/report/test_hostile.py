"""Names from outside in a report: no markup, no template, no formula, whatever they are."""

import csv
import html
import io
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from infra.errors import one_line
from tasks.report.display import spreadsheet_frame
from tasks.report.frame import frame
from tasks.report.markdown import escape
from tests.tasks.report.helpers import run
from tests.tasks.report.test_write import Page, report

FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", " =1", '=HYPERLINK("http://evil","x")']
TEMPLATES = ["{{ 7 * 7 }}", "{% for x in y %}", "{# c #}", "{view.title}", "${7*7}", "%(x)s"]


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_of_the_csv_is_a_formula(tmp_path, name):
    runs = [run(dataset=name, victim=name, countermeasure=name, method=name), run("none", dataset=name)]
    folder, _, _, _ = report(tmp_path, runs)
    with io.StringIO(folder.read("results.csv").decode(), newline="") as file:
        head, *rows = list(csv.reader(file))
    assert head[0] == "dataset"
    assert len(rows) == 2
    for row in rows:
        for cell in row:
            assert not re.match(r"\s*[=+@-]", cell), cell
    assert rows[1][head.index("dataset")] == f"'{one_line(name)}"


def test_ordinary_names_and_numbers_have_no_quote():
    shown = spreadsheet_frame(frame([run(accuracy=0.0)]))
    assert not any(str(cell).startswith("'") for row in shown.to_numpy() for cell in row)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_name_is_a_template(tmp_path, name):
    runs = [run(dataset=name, victim=name, classes=(name, "b", "c", "d"))]
    _, _, page, text = report(tmp_path, runs, title=name, notes=(name,), settings={name: name})
    assert name in "".join(Page(page).words)
    plain = re.sub(r"\\(.)", r"\1", text)
    assert name in plain


def tags(page):
    return [tag for tag, _ in Page(page).tags]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("<>&\"'/=`()[]!{}%|\\#$*_ ab:\u202e\u00e9"), min_size=1, max_size=30))
def test_any_name_adds_no_tag_and_no_attribute_to_the_page(tmp_path_factory, name):
    pages = []
    for title in ("plain", name):
        runs = [run(dataset=title, victim=title, countermeasure="none", classes=(title, "\0b", "c", "d"))]
        pages.append(report(tmp_path_factory.mktemp("r"), runs, title=title, notes=(title,))[2])
    assert tags(pages[0]) == tags(pages[1])
    attributes = [{key for _, given in Page(page).tags for key in given} for page in pages]
    assert attributes[0] == attributes[1]


BREAK = "<!-- -->"
# What the viewers of GitHub's markdown make links of by themselves.
LINKED = re.compile(r"(https?|ftp)://|www\.|[\w.+-]@", re.IGNORECASE)
PIECES = ["www.", "WWW.", "me@", "@", "evil.example", "http://", "HTTPS://", "ftp://", "mailto:", "_", ".", "&"]
ADDRESSES = st.lists(st.one_of(st.sampled_from([*PIECES, BREAK, "\\", "&#64;", "&#46;", "a"]), st.text(max_size=3)))


def read(escaped):
    """Escaped text as a viewer reads it: in pieces, markup between them."""
    return [html.unescape(re.sub(r"\\([\\`*_\[\]|~#$!])", r"\1", piece)) for piece in escaped.split(BREAK)]


@given(st.one_of(st.text(max_size=40), ADDRESSES.map("".join)))
@example("see www.evil.example/login or me@evil.example or https://evil.example or mailto:me@evil.example")
def test_escaped_text_has_no_bare_sign_of_markdown_and_becomes_no_link(text):
    found = escape(text)
    bare = re.sub(r"&(amp|lt|gt|#47);", "", found.replace(BREAK, ""))
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]|~#$!<>]", bare)
    assert [piece for piece in read(found) if LINKED.search(piece)] == []
    assert "".join(read(found)) == text


def test_ordinary_text_is_left_as_it_is():
    text = "tiny: 0.5 of results.csv, 3 pictures, at 12:30 (www)"
    assert escape(text) == text
