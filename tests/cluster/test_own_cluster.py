"""The command line with a Ray cluster of its own: what it says, what it gives, and what it leaves behind."""

import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

from tests.flows.cli_helpers import SCRIPT, Places, Said, environment, process
from tests.tasks.shard.helpers import shard

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
MARK = "UNLEARNABLE_TEST_RUN"
ROOT = Path(__file__).parents[2]
_SIGNALS = """
import signal
from infra import clusters
from schemas.runner import RayRunner

def mine():
    return signal.getsignal(signal.SIGTERM) is signal.default_int_handler

signal.signal(signal.SIGTERM, signal.default_int_handler)
with clusters.ray_cluster(RayRunner(), 1, "http://127.0.0.1:4200/api") as lacking:
    print(lacking, mine())
print(mine())
"""


def left(mark: str) -> list[str]:
    """Processes that a command with this mark in its environment has left."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.environ().get(MARK) == mark:
                found.append(" ".join(one.cmdline()))
        except psutil.Error:
            continue
    return found


def test_the_process_ends_on_sigterm_in_its_own_way(tmp_path):
    """In a process of its own: Ray remembers the first token that it has read."""
    known = {**environment(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-c", _SIGNALS]
    done = subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["None", "True", "True"]), done.stderr


def test_a_run_ends_with_its_cluster_and_says_one_thing_on_stdout(tmp_path):
    places = Places(tmp_path)
    for i in range(3):
        places.put(f"{i}.tar", shard(4, first=4 * i))
    mark = uuid.uuid4().hex
    home = tmp_path / "home"
    home.mkdir()
    known = {**environment(tmp_path), MARK: mark, "HOME": str(home)}
    command = [str(SCRIPT), *map(str, places.protect), "--runner", "ray", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=known, capture_output=True, text=True, check=False)
    said = Said(done.returncode, done.stdout, done.stderr)
    assert said.status == 0, said
    assert (said.json["shards"], said.json["protected"]) == (3, 12)
    assert left(mark) == []
    assert not (home / ".ray").exists()
    published = places.published()
    again = process(*places.protect, "--json", cwd=tmp_path)
    assert again.json["skipped_shards"] == 3
    assert places.published() == published
