"""One run at a time writes a destination, whoever is killed and whatever the clocks say."""

import multiprocessing
import os
import signal
import threading
import time

import pytest

from infra import lease, machine
from infra.errors import ConfigurationError, RunError, StorageError
from infra.storage import Folder, encoded
from schemas.run import Holder, RunLock

JOB = "0" * 32


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.05)
    monkeypatch.setattr(lease, "PATIENCE", 0.6)
    monkeypatch.setattr(lease, "_SETTLE", 0.05)


@pytest.fixture
def places(tmp_path):
    return Folder(str(tmp_path / "out")), Folder(str(tmp_path / "private"))


def left_behind(places, holder=None):
    """The lock of a run that ended without a word."""
    destination, workspace = places
    destination.save(lease.LOCK, RunLock(job=JOB, run="dead", beat=7))
    if holder is not None:
        workspace.save("running/dead.json", holder)


def test_while_one_run_holds_it_another_is_told_so(places):
    with lease.held(*places, JOB), pytest.raises(RunError, match=rf"process {os.getpid()} on .* is writing .*out"):
        lease.Lease(*places, JOB).acquire()


def test_it_is_free_again_afterwards_and_nothing_is_left_in_the_destination(places):
    for _ in range(2):
        with lease.held(*places, JOB):
            assert list(places[0].list()) == [lease.LOCK]
        assert [list(place.list()) for place in places] == [[], []]


def test_it_is_free_again_after_an_error(places):
    with pytest.raises(ZeroDivisionError), lease.held(*places, JOB):
        raise ZeroDivisionError
    assert list(places[0].list()) == []


def test_another_job_is_refused_whether_its_run_lives_or_not(places):
    left_behind(places)
    with pytest.raises(ConfigurationError, match="another job"):
        lease.Lease(*places, "1" * 32).acquire()


def test_a_lock_that_does_not_change_is_taken_over_after_a_while(places):
    left_behind(places)
    began = time.monotonic()
    with lease.held(*places, JOB) as mine:
        assert time.monotonic() - began >= lease.PATIENCE  # not before: its run might have been alive
        mine.require()


def test_a_lock_of_a_process_that_is_no_more_is_taken_over_at_once(places, monkeypatch):
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=hold_and_wait, args=[place.url for place in places])
    child.start()
    deadline = time.monotonic() + 60
    while lease.holder(*places) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(RunError, match=f"process {child.pid}"):
        lease.Lease(*places, JOB).acquire()
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert lease.is_dead(lease.holder(*places))
    monkeypatch.setattr(lease, "PATIENCE", 10**6)
    with lease.held(*places, JOB) as mine:
        mine.require()
        assert len(places[1].list()) == 1, "the dead run is still noted"


def test_a_run_that_is_killed_while_it_takes_over_keeps_the_next_one_not_waiting(places, monkeypatch):
    left_behind(places, Holder(run="dead", host="here", machine=machine.identity(), process=2**22 + 1, began="1"))
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=take_over_and_wait, args=[place.url for place in places])
    child.start()
    deadline = time.monotonic() + 60
    while places[0].load(lease.LOCK, RunLock).run == "dead" and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert places[0].load(lease.LOCK, RunLock).run != "dead"
    monkeypatch.setattr(lease.Lease, "_watch", lambda self, other: pytest.fail("it waits"))
    with lease.held(*places, JOB) as mine:
        mine.require()
        assert lease.holder(*places).process == os.getpid()
    assert places[1].list() == {}


def hold_and_wait(destination, workspace):
    lease.BEAT = 0.05
    with lease.held(Folder(destination), Folder(workspace), JOB):
        time.sleep(120)


def take_over_and_wait(destination, workspace):
    lease._SETTLE = 120
    lease.Lease(Folder(destination), Folder(workspace), JOB).acquire()


def test_what_is_asked_of_a_lock_that_another_workspace_took_is_none(places, tmp_path):
    with lease.held(*places, JOB):
        assert lease.holder(places[0], Folder(str(tmp_path / "another"))) is None
        assert not lease.is_dead(lease.holder(*places))
    assert lease.holder(*places) is None


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RunError("x", "y")], ids=["Ctrl-C", "error"])
def test_a_run_that_is_stopped_while_it_takes_over_leaves_nothing(places, monkeypatch, stop):
    left_behind(places, Holder(run="dead", host="here", machine=machine.identity(), process=2**22 + 1, began="1"))

    def interrupt(seconds):
        raise stop

    monkeypatch.setattr(lease.time, "sleep", interrupt)
    with pytest.raises((KeyboardInterrupt, RunError)):
        lease.Lease(*places, JOB).acquire()
    assert places[0].list() == {}
    assert places[1].list().keys() <= {"running/dead.json"}


def test_a_process_of_another_machine_is_not_taken_for_dead(places, monkeypatch):
    left_behind(places, Holder(run="dead", host="elsewhere", machine="another boot", process=2**22, began="1"))
    waited = []
    monkeypatch.setattr(lease.Lease, "_watch", lambda self, other: waited.append(other.run))
    with lease.held(*places, JOB):
        assert waited == ["dead"]


def test_a_run_that_was_taken_for_dead_is_told_before_it_publishes(places):
    with lease.held(*places, JOB) as mine:
        places[0].write(lease.LOCK, encoded(RunLock(job=JOB, run="another", beat=0)))
        with pytest.raises(RunError, match="taken over"):
            mine.require()
    assert places[0].load(lease.LOCK, RunLock).run == "another", "the lock of the other run was removed"


@pytest.mark.parametrize("dead", [False, True], ids=["free", "left behind"])
def test_of_many_that_start_together_one_wins(places, dead):
    if dead:
        left_behind(places)
    start, over = threading.Barrier(6), threading.Event()
    won, lost = [], []

    def run():
        mine = lease.Lease(*places, JOB)
        start.wait()
        try:
            mine.acquire()
        except RunError:
            lost.append(1)
            return
        won.append(1)
        over.wait(30)
        mine.release()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while len(lost) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    over.set()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 5)


def test_clocks_that_jump_change_nothing(places, monkeypatch):
    jumps = iter(range(10**9, 0, -(10**6)))
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    with lease.held(*places, JOB) as mine:
        with pytest.raises(RunError, match="is writing"):
            lease.Lease(*places, JOB).acquire()
        mine.require()


def test_a_run_that_can_not_be_noted_locks_nothing(places, monkeypatch):
    def refuse(folder, name, record):
        raise StorageError("can't write", "free some space")

    monkeypatch.setattr(Folder, "save", refuse)
    with pytest.raises(StorageError, match="can't write"):
        lease.Lease(*places, JOB).acquire()
    assert places[0].list() == {}
