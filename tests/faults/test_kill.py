"""kill -9 at any moment, then run again: nothing is lost, and the bytes are those of an unbroken run."""

import random
import time

import pytest

from tests.faults import runs, tally

pytestmark = pytest.mark.faults
MOMENTS = 20


def timed(unbroken, said):
    """Seconds that an unbroken run takes now."""
    unbroken.afresh()
    began = time.monotonic()
    run = runs.start(unbroken.config, said)
    run.join()
    assert run.exitcode == 0
    return time.monotonic() - began


@pytest.mark.timeout(1200)
def test_a_run_killed_at_a_random_moment_and_run_again_gives_the_bytes_of_an_unbroken_one(unbroken, tmp_path):
    said, draw = tmp_path / "said", random.Random(2101)
    whole = timed(unbroken, said)
    unbroken.require_finished()
    killed = 0
    for _ in range(2 * MOMENTS):  # a run may end before its moment has come
        if killed == MOMENTS:
            break
        unbroken.afresh()
        run = runs.start(unbroken.config, said)
        run.join(draw.uniform(0, whole))
        killed += runs.kill(run)
        unbroken.require_nothing_wrong()
        again = runs.start(unbroken.config, said)
        again.join()
        assert again.exitcode == 0, said.read_text()
        unbroken.require_finished()
    assert killed == MOMENTS
    tally.record("kill -9 of the run at a random moment", killed, "same bytes after one more run")


@pytest.mark.timeout(1200)
def test_a_run_killed_again_and_again_gets_on_and_ends_with_the_same_bytes(unbroken, tmp_path):
    said, draw = tmp_path / "said", random.Random(2102)
    whole = timed(unbroken, said)
    unbroken.afresh()
    killed = 0
    for i in range(60):
        run = runs.start(unbroken.config, said)
        # A machine that is busier now than when it was timed gets more time, else no run would come past its start.
        run.join(draw.uniform(0.1 * whole, 0.6 * whole) * (1 + i / 10))
        if not runs.kill(run):
            assert run.exitcode == 0, said.read_text()
            break
        killed += 1
        unbroken.require_nothing_wrong()
    else:
        pytest.fail(f"{killed} runs, each killed, and the job is not done")
    assert killed >= 2
    unbroken.require_finished()
    tally.record("kill -9 of one run after another", killed, f"same bytes in run {killed + 1}")
