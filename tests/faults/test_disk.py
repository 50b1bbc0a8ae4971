"""A disk that is full: a clear failure, nothing half published, and the rest once there is room."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults import runs, tally

pytestmark = pytest.mark.faults
# Room for some of the work only: a few of the shards, or the indices but no fitted noise.
ROOM = {"destination": 128 << 10, "workspace": 64 << 10}


def mount(place: Path, options: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no filesystem can be mounted here: {done.stderr.strip()}")


@pytest.mark.parametrize("full", ROOM)
def test_a_full_disk_is_told_and_the_next_run_finishes_what_is_left(unbroken, tmp_path, full):
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small filesystem takes root")
    unbroken.afresh()
    place = Path(getattr(unbroken.config, full))
    place.mkdir(exist_ok=True)
    job = (Path(unbroken.config.workspace) / "job.json").read_bytes()
    mount(place, f"size={ROOM[full]}")
    try:
        (Path(unbroken.config.workspace) / "job.json").write_bytes(job)
        said = tmp_path / "said"
        run = runs.start(unbroken.config, said)
        run.join()
        assert run.exitcode == 1
        assert "no space left" in said.read_text()
        unbroken.require_nothing_wrong()
        assert not (Path(unbroken.config.destination) / "manifest.json").exists()

        mount(place, "remount,size=64m")
        again = runs.start(unbroken.config, said)
        again.join()
        assert again.exitcode == 0, said.read_text()
        unbroken.require_finished()
    finally:
        subprocess.run(["umount", str(place)], check=True)
    tally.record(f"full disk under the {full}", 1, "clear error, same bytes once there was room")
