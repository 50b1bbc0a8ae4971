"""The index of reports and the comparison of two, as a person uses them."""

import pytest

from tests.browser.conftest import MONDAY, TUESDAY

pytestmark = pytest.mark.browser
BOTH = pytest.mark.parametrize("watched", [390, 1400], indirect=True)


@BOTH
def test_from_the_index_to_a_report_and_to_two_side_by_side(watched, served):
    page = watched.open(f"{served}/")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.select_option(".filters select", "undone")
    assert page.locator("tbody tr:visible").count() > 0
    page.click(f"a:has-text('{MONDAY}') >> nth=0")
    page.wait_for_selector("html[data-ready]")
    assert page.url == f"{served}/{MONDAY}/report.html"
    page.go_back()
    page.select_option("select[name=first]", MONDAY)
    page.select_option("select[name=second]", TUESDAY)
    page.click("button:has-text('Compare')")
    page.wait_for_selector("html[data-ready]")
    assert "0 differ by more than the spread." in page.inner_text(".verdict")
    assert watched.complaints == []
    assert {address.split("/")[2] for address in watched.asked if address.startswith("http")} == {served.split("/")[2]}
