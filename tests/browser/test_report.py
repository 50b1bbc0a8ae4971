"""A report in a real browser: what it loads, shows, sorts, filters, enlarges and prints."""

import re
from pathlib import Path

import pytest

from tests.browser.conftest import COUNTERMEASURES, HOSTILE

pytestmark = pytest.mark.browser
BOTH = pytest.mark.parametrize("watched", [390, 1400], indirect=True)
EXAMPLE = (Path(__file__).parents[2] / "docs" / "example-report.html").as_uri()
FIRST = "#results ~ .scroll table >> nth=0"


def column(page, number, table=FIRST):
    """The texts of one column, of the rows that are shown."""
    rows = page.locator(f"{table} >> tbody tr:visible")
    return [row.locator("th, td").nth(number).inner_text() for row in rows.all()]


@BOTH
def test_it_opens_without_a_complaint_and_asks_nobody(watched, report):
    page = watched.open(report)
    assert watched.complaints == []
    assert [address for address in watched.asked if not address.startswith(("data:", "blob:"))] == [report]
    assert page.title() == f"Protection of {HOSTILE}"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    assert page.locator(".verdict .headline").first.is_visible()


@BOTH
def test_the_example_among_the_pages_opens_too(watched):
    page = watched.open(EXAMPLE)
    assert watched.complaints == []
    assert [address for address in watched.asked if not address.startswith(("data:", "blob:"))] == [EXAMPLE]
    assert page.locator("[data-chart] svg").count() == page.locator("[data-chart]").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"


@BOTH
def test_charts_are_live_and_tell_their_numbers(watched, report):
    page = watched.open(report)
    places = page.locator("[data-chart]")
    assert places.count() == page.locator("[data-chart] svg").count() > 5
    mark = page.locator('[data-chart^="countermeasures"] svg [aria-roledescription="point"]').first
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert "protected, %" in page.inner_text("#vg-tooltip-element")
    assert watched.complaints == []


def test_a_click_on_a_name_picks_its_curves(watched, report):
    page = watched.open(report)
    chart = page.locator('[data-chart="learning-curves.svg"]')
    faint = chart.locator('path[aria-roledescription="line mark"][opacity="0.12"]')
    assert faint.count() == 0
    chart.locator("text").filter(has_text="random noise").first.click()
    page.wait_for_function("""() => document.querySelectorAll(
        '[data-chart="learning-curves.svg"] path[aria-roledescription="line mark"][opacity="0.12"]').length > 0""")
    assert watched.complaints == []


@BOTH
def test_tables_are_sorted_by_number_and_by_name(watched, report):
    page = watched.open(report)
    as_written = column(page, 1)
    page.click(f"{FIRST} >> thead button:has-text('Protected')")
    numbers = [float(text.split()[0]) for text in column(page, 4)]
    assert numbers == sorted(numbers)
    page.click(f"{FIRST} >> thead button:has-text('Protected')")
    assert [float(text.split()[0]) for text in column(page, 4)] == sorted(numbers, reverse=True)
    assert page.get_attribute(f"{FIRST} >> th:has-text('Protected')", "aria-sort") == "descending"
    page.click(f"{FIRST} >> thead button:has-text('Countermeasure')")
    assert column(page, 1) == sorted(as_written)
    assert page.locator(f"{FIRST} >> th[aria-sort]").count() == 1


@BOTH
def test_rows_are_filtered_and_their_number_is_said(watched, report):
    page = watched.open(report)
    every = len(column(page, 0))
    page.select_option(".filters select >> nth=1", "jpeg-10")
    assert set(column(page, 1)) == {"jpeg-10"}
    assert page.inner_text("[role=status]") == f"4 of {2 * every} rows shown"
    page.select_option(".filters select >> nth=1", "")
    page.select_option(".filters select >> nth=2", "undone")
    assert {text.split(",")[0] for text in column(page, 2)} == {"undone"}
    page.select_option(".filters select >> nth=2", "")
    page.fill(".filters input", "resnet18")
    assert column(page, 0) == ["resnet18"] * len(COUNTERMEASURES)
    page.fill(".filters input", "")
    assert len(column(page, 0)) == every
    assert page.inner_text("[role=status]") == ""


@BOTH
def test_pictures_are_enlarged_by_whole_factors_and_put_away_by_escape(watched, report):
    page = watched.open(report)
    page.click("button.zoom")
    assert page.locator("dialog[open]").count() == 1
    width = "document.querySelector('dialog img').getBoundingClientRect().width"
    natural = page.evaluate("document.querySelector('dialog img').naturalWidth")
    before = page.evaluate(width)
    assert before % natural == 0
    page.focus("dialog input")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(width) == before + natural
    assert page.evaluate("getComputedStyle(document.querySelector('dialog img')).imageRendering") == "pixelated"
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_reader_and_the_button(watched, report, scheme):
    watched.page.emulate_media(color_scheme=scheme)
    page = watched.open(report)
    shade = "getComputedStyle(document.body).backgroundColor"
    own = page.evaluate(shade)
    assert own == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
    seen = [own]
    for name in ("light", "dark"):
        page.click("#theme")
        assert page.inner_text("#theme") == f"Theme: {name}"
        seen.append(page.evaluate(shade))
    assert seen[1:] == ["rgb(255, 255, 255)", "rgb(13, 17, 23)"]
    ink = "getComputedStyle(document.querySelector('[data-chart] svg')).color"
    assert page.evaluate(ink) == page.evaluate("getComputedStyle(document.body).color")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.inner_text("#theme") == "Theme: dark"


def test_it_prints_without_what_is_for_the_screen_alone(watched, report):
    page = watched.open(report)
    page.emulate_media(media="print")
    assert not page.locator("#theme").is_visible()
    assert not page.locator(".filters").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    document = page.pdf(format="A4", print_background=True)
    assert document.startswith(b"%PDF-")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", document)) <= 40


def test_without_scripts_it_says_the_same(browser, report):
    opened = browser.new_context(java_script_enabled=False)
    page = opened.new_page()
    page.goto(report)
    assert page.locator(".verdict .headline").first.is_visible()
    images = page.locator("[data-chart] img")
    assert images.count() > 5
    assert all(image.bounding_box()["height"] > 20 for image in images.all())
    assert not page.locator(".filters").is_visible()
    assert not page.locator("#theme").is_visible()
    opened.close()
