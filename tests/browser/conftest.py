"""A real browser, pages to look at, and what went wrong on them."""

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from flows.cli.serve import desk
from infra.storage import Folder
from schemas.evaluate import VictimRun
from tasks.report.write import write_report
from tests.tasks.report.helpers import context, protected_set, seeds

# What lets it run as root, without a screen, and without a word to anybody.
_OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
READY = "html[data-ready]"
HOSTILE = '<script>document.title = "taken over"</script>'
CLASSES = ("plane", HOSTILE, "قطة", "deer", "dog", "frog", "horse", "ship", "truck", "a class whose name is very long")
COUNTERMEASURES = ("none", "blur-1", "cutout-16", "grayscale", "jpeg-10", "mixup")
MONDAY, TUESDAY = "20261123-020000-aaaa", "20261124-020000-bbbb"


@dataclass
class Watched:
    """A page, and what it has asked for and complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def hear(self, said: ConsoleMessage) -> None:
        """Keep what is no mere remark."""
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)

    def open(self, address: str) -> Page:
        """The page at an address, with its charts drawn."""
        self.page.goto(address)
        self.page.wait_for_selector(READY, timeout=60_000)
        return self.page


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = os.environ.get("UNLEARNABLE_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "there is no Chromium: run make test-browser, or name one in UNLEARNABLE_BROWSER"
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=found, args=list(_OPTIONS))
        yield running
        running.close()


@pytest.fixture
def watched(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A page of its own, 1400 px wide or as the test's parameter `width` says."""
    width = getattr(request, "param", 1400)
    opened = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light")
    found = Watched(opened.new_page())
    found.page.on("console", found.hear)
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("request", lambda asked: found.asked.append(asked.url))
    yield found
    opened.close()


def runs() -> list[VictimRun]:
    """Two victims under six countermeasures on clean data, error-minimizing and random noise; three seeds each."""
    found = []
    for victim in ("resnet18", "tiny"):
        for at, name in enumerate(COUNTERMEASURES):
            same = {"victim": victim, "classes": CLASSES}
            found += seeds("none", name, 90.0 - at, 91.0 - at, 89.0 - at, **same)
            found += seeds("error-minimizing", name, 12.0 + 9 * at, 13.0 + 11 * at, 12.0 + 8 * at, **same)
            found += seeds("random", name, 88.0 - at, 86.0 - at, 87.0 - at, **same)
    return found


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two reports that hold all that a report can show."""
    place = tmp_path_factory.mktemp("reports") / "private"
    generator = np.random.default_rng(0)
    original = generator.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    protected = np.clip(original.astype(int) + generator.integers(-8, 9, original.shape), 0, 255).astype(np.uint8)
    told = context(protected=(protected_set(),), title=HOSTILE, settings={"seeds": 3, "size": 32})
    for name in (MONDAY, TUESDAY):
        write_report(Folder(f"{place}/reports/{name}"), runs(), told, {"error-minimizing": (original, protected)}, {})
    return place


@pytest.fixture(scope="session")
def report(workspace: Path) -> str:
    """The address of one of them, on the disk."""
    return (workspace / "reports" / MONDAY / "report.html").as_uri()


@pytest.fixture(scope="session")
def served(workspace: Path) -> Iterator[str]:
    """The address of the desk that shows them all."""
    server = uvicorn.Server(uvicorn.Config(desk(str(workspace)), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()
