"""What Prefect is told before it is imported: at its import it would report itself, and read its settings once."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("flows", "tasks", "schemas", "infra")

_IMPORTS = re.compile(r"^(?:from|import) prefect\b", re.MULTILINE)
_SETTINGS = "import infra.prefect_settings"

_ASK = """
import importlib, importlib.abc, os, sys

class AtImport(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "prefect":
            print(os.environ.get("DO_NOT_TRACK"), os.environ.get("PREFECT_SERVER_ANALYTICS_ENABLED"))

sys.meta_path.insert(0, AtImport())
importlib.import_module(sys.argv[1])
from prefect.settings import get_current_settings
print(get_current_settings().server.ephemeral.startup_timeout_seconds)
"""


def files_with_prefect() -> list[Path]:
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return sorted(file for file in files if _IMPORTS.search(file.read_text()))


def told(module: str, home: Path, **given: str) -> list[str]:
    """What a fresh process has told Prefect after importing a module: two variables, then a setting."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "DO_NOT_TRACK"))}
    plain = {**inherited, "PREFECT_HOME": str(home), "CI": "true", **given}  # CI: should this fail, it reports nothing
    command = [sys.executable, "-c", _ASK, module]
    done = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("name", ["protect", "protect_bucket", "evaluate", "reproduce", "demo"])
def test_a_flow_is_quiet_and_patient_from_the_first_import(name: str, tmp_path: Path):
    assert told(f"flows.{name}", tmp_path) == ["1", "false", "120"]


def test_what_a_user_has_set_stands(tmp_path: Path):
    given = {"DO_NOT_TRACK": "0", "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "7"}
    assert told("flows.protect", tmp_path, **given) == ["0", "false", "7"]


def test_every_module_that_imports_prefect_tells_it_first():
    files = files_with_prefect()
    assert len(files) >= 12
    before = {file.relative_to(ROOT): _IMPORTS.split(file.read_text(), maxsplit=1)[0] for file in files}
    assert [file for file, text in before.items() if _SETTINGS not in text] == []
