"""axe-core has nothing serious to say of any page, in either theme and at either width."""

import os
from pathlib import Path

import pytest

from tests.browser.conftest import MONDAY, READY, TUESDAY

pytestmark = pytest.mark.browser
AXE = "UNLEARNABLE_AXE"


@pytest.fixture(scope="session")
def axe():
    """axe-core's script, which `make test-browser` has fetched."""
    place = os.environ.get(AXE)
    assert place, f"{AXE} does not name axe.min.js: run make test-browser"
    return Path(place).read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("path", ["/", f"/{MONDAY}/report.html", f"/compare?first={MONDAY}&second={TUESDAY}"])
def test_no_page_has_a_serious_finding(browser, served, axe, path, width, scheme):
    # axe runs by evaluation, which the page's own policy forbids to strangers.
    opened = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = opened.new_page()
    page.goto(f"{served}{path}")
    page.wait_for_selector(READY, timeout=60_000)
    page.evaluate(axe)
    found = page.evaluate("axe.run(document)")
    assert len(found["passes"]) > 15
    serious = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"][:120] for node in each["nodes"]][:3]) for each in serious] == []
    opened.close()
