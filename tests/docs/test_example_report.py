"""The example among the pages is a report as this version draws it, of the demo, and small."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "example-report.html"
TEMPLATES = ROOT / "tasks" / "report" / "templates"
SECTIONS = (
    *("Results", "Learning curves", "Confusion matrices", "Pictures", "Imperceptibility", "What was protected"),
    *("Configuration", "Limits that no number here shows", "Every run"),
)


class Headings(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.within = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.within = tag == "h2"

    def handle_data(self, data):
        if self.within:
            self.found.append(data)
        self.within = False


def test_it_is_under_a_megabyte_and_so_is_what_the_pages_show():
    assert EXAMPLE.stat().st_size < 1_000_000
    screenshots = sorted((ROOT / "docs" / "screenshots").glob("*.png"))
    assert len(screenshots) >= 5
    assert sum(path.stat().st_size for path in screenshots) < 1_000_000


@pytest.mark.parametrize("name", ["page.css", "page.js"])
def test_it_has_the_looks_and_the_script_of_this_version(name):
    lines = [line.strip() for line in (TEMPLATES / name).read_text().splitlines() if line.strip()]
    text = EXAMPLE.read_text()
    assert [line for line in lines if line not in text] == [], "make demo, and copy its report.html here"


def test_it_has_all_parts_in_their_order():
    found = [heading for heading in Headings(EXAMPLE.read_text()).found if heading in SECTIONS]
    assert tuple(found) == SECTIONS


def test_it_names_no_machine():
    text = EXAMPLE.read_text()
    assert "demo-output/" in text
    # Its places are those that the command was given, by no whole path.
    assert "/demo-output" not in text
    assert "file://" not in text
