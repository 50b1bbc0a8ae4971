"""The audit of requirements.lock, with pip-audit itself asking a server of advisories on the loopback address."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HASH = "    --hash=sha256:" + 64 * "0"
KNOWN = ("pillow", "9.0.0")


class Advisories(ThreadingHTTPServer):
    """Speaks as much of OSV as pip-audit asks for; `vulnerable` are the packages that it has an advisory on."""

    def __init__(self):
        self.vulnerable: set[tuple[str, str]] = set()
        self.asked: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def options(self) -> list[str]:
        return ["--vulnerability-service", "osv", "--osv-url", f"http://127.0.0.1:{self.server_port}/v1/query"]


class Answer(BaseHTTPRequestHandler):
    server: Advisories

    def do_POST(self):
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = query["package"]["name"], query["version"]
        self.server.asked.append(package)
        body = json.dumps(advisory(*package) if package in self.server.vulnerable else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object):
        pass


def advisory(name: str, version: str) -> dict[str, object]:
    events = [{"introduced": "0"}, {"fixed": "99.0"}]
    affected = {"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    return {"vulns": [{"id": "PYSEC-0000-1", "summary": f"{name} {version}", "affected": [affected]}]}


@pytest.fixture
def advisories() -> Iterator[Advisories]:
    server = Advisories()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def audit(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / ".ci" / "audit.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.lock"
    file.write_text(f"attrs==26.1.0 \\\n{HASH}\nidna==3.11 ; python_version > '3' \\\n{HASH}\n")
    return file


def test_sound_packages_pass(advisories: Advisories, lock: Path):
    advisories.vulnerable = {KNOWN}
    done = audit(lock, *advisories.options)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 packages audited, 0 with known vulnerabilities" in done.stdout


def test_every_package_of_the_real_lock_is_asked_for(advisories: Advisories):
    advisories.vulnerable = {KNOWN}
    done = audit(*advisories.options)
    assert (done.returncode, done.stderr) == (0, "")
    asked = {name for name, _ in advisories.asked}
    assert {"torch", "prefect", "s3fs", "ray", "prefect-kubernetes", "pip-audit"} <= asked
    assert len(asked) > 200


def test_a_vulnerable_package_fails_and_is_named_with_its_mend(advisories: Advisories, lock: Path):
    advisories.vulnerable = {KNOWN, ("idna", "3.11")}
    done = audit(lock, *advisories.options)
    assert done.returncode == 1
    assert "idna 3.11: PYSEC-0000-1, mended in 99.0" in done.stderr


def test_a_place_without_advisories_says_that_nothing_was_audited(advisories: Advisories, lock: Path):
    done = audit(lock, *advisories.options)
    assert done.returncode == 0
    assert "!! NOT AUDITED" in done.stderr
    assert advisories.asked == [KNOWN]


def test_nobody_there_says_that_nothing_was_audited(advisories: Advisories, lock: Path):
    nobody = [*advisories.options[:3], "http://127.0.0.1:1/v1/query"]
    done = audit(lock, *nobody)
    assert done.returncode == 0
    assert "!! NOT AUDITED" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"attrs==26.1.0\nidna==3.11 \\\n{HASH}\n", "not pinned with hashes: attrs==26.1.0"),
        (f"attrs>=26 \\\n{HASH}\n", "not pinned with hashes: attrs>=26"),
        (f"attrs @ https://example.org/attrs.whl \\\n{HASH}\n", "not pinned with hashes: attrs"),
        (f"--index-url https://example.org/simple\nidna==3.11 \\\n{HASH}\n", "an address: --index-url"),
        ("attrs==26.1.0 \\\n    --hash=md5:" + 32 * "0" + "\n", "not pinned with hashes: attrs==26.1.0"),
        ("\n", "it is empty"),
    ],
)
def test_a_lock_that_pins_too_little_fails_before_anybody_is_asked(tmp_path: Path, text: str, said: str):
    file = tmp_path / "requirements.lock"
    file.write_text(text)
    done = audit(file)
    assert done.returncode == 1
    assert said in done.stderr
