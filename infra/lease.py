"""One run at a time writes a destination: a lock in it, which its run renews for as long as it lives.

No clock is compared with another machine's: whoever finds a lock watches whether it changes. A run that was killed
leaves its lock behind; it is taken over at once where its process can be seen to be dead, else when the lock has not
changed for PATIENCE seconds of the watcher's own count.
"""

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator

from infra import machine, progress
from infra.errors import ConfigurationError, DataError, RunError, StorageError
from infra.storage import Folder, encoded, fingerprint
from schemas.run import Holder, RunLock

LOCK = ".unlearnable-lock"
RUNNING = "running"  # in a workspace: which process each run is that holds the destination, or is about to
BEAT = 10.0
PATIENCE = 35.0
_SETTLE = 1.0


class Lease:
    """The right of this run to write a destination."""

    def __init__(self, destination: Folder, workspace: Folder, job: str):
        self._destination, self._workspace = destination, workspace
        self._lock = RunLock(job=job, run=secrets.token_hex(8), beat=0)
        self._noted = _noted(self._lock.run)
        self._ended = threading.Event()
        self._lost = False
        self._renewing = threading.Thread(target=self._renew, name="lease", daemon=True)

    def require(self) -> None:
        """Raise RunError when another run has taken this one for dead, and writes the destination now."""
        if self._lost or not self._is_ours():
            raise RunError(
                f"another run has taken over {self._destination.url}: this one was not heard of for too long",
                "let that one finish; finished shards are not done again",
            )

    def acquire(self) -> None:
        """Take the lock and keep it.

        Raises RunError while another run of this job holds it, ConfigurationError when another job does.
        """
        # Before the lock: whoever finds one whose run is not noted has to watch it for long.
        self._workspace.save(self._noted, _here(self._lock.run))
        try:
            self._lock_destination()
        except BaseException:
            with contextlib.suppress(StorageError, DataError):
                self._let_go()
            raise
        self._renewing.start()
        with contextlib.suppress(StorageError, DataError):  # they stand in nobody's way
            _forget_dead(self._workspace)

    def release(self) -> None:
        """Give the lock back, unless another run holds it by now."""
        self._ended.set()
        self._renewing.join()  # its last word must not come after the lock is gone
        try:
            self._let_go()
        except (StorageError, DataError) as error:
            progress.say(f"warning: the lock stays, and the next run will take it over: {error}")

    def _let_go(self) -> None:
        if self._is_ours():
            self._destination.delete(LOCK)
        self._workspace.delete(self._noted)

    def _lock_destination(self) -> None:
        while not self._destination.create(LOCK, encoded(self._lock)):
            found = self._destination.load(LOCK, RunLock)
            if found is None:
                continue  # released in between
            if found.job != self._lock.job:
                problem = f"destination {self._destination.url} is being written by another job, or was when it ended"
                raise ConfigurationError(problem, f"give another destination; if that job is gone, remove {LOCK} there")
            holder = self._workspace.load(_noted(found.run), Holder)
            if holder is None or not is_dead(holder):
                self._watch(found)
            if self._take_over(found):
                self._workspace.delete(_noted(found.run))
                return

    def _renew(self) -> None:
        """Say again and again that this run is alive, until it is released."""
        while not self._ended.wait(BEAT):
            # The next beat tries again, and `require` asks before what matters.
            with contextlib.suppress(StorageError, DataError):
                info = self._destination.info(LOCK)
                if info is None or not self._is_ours():
                    self._lost = True
                    return
                self._lock = self._lock.model_copy(update={"beat": self._lock.beat + 1})
                # Never over another's: a put that was under way for long may come after a takeover.
                self._destination.replace(LOCK, encoded(self._lock), fingerprint(info))

    def _is_ours(self) -> bool:
        found = self._destination.load(LOCK, RunLock)
        return found is not None and found.run == self._lock.run

    def _watch(self, other: RunLock) -> None:
        """Return once a lock has not changed for PATIENCE seconds, or is gone. Raises RunError when it changes."""
        progress.say(f"another run holds {self._destination.url}: looking for up to {PATIENCE:.0f} s if it is alive")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            time.sleep(min(BEAT, PATIENCE) / 5)
            now = self._destination.load(LOCK, RunLock)
            if now is None:
                return
            if now != other:
                raise self._busy(other)

    def _busy(self, other: RunLock) -> RunError:
        holder = self._workspace.load(_noted(other.run), Holder)
        who = f" (process {holder.process} on {holder.host})" if holder else ""
        return RunError(
            f"another run{who} is writing {self._destination.url} now", "let it finish, or end it and run this again"
        )

    def _take_over(self, other: RunLock) -> bool:
        """Replace the lock of a dead run. Of several that try at once one succeeds; False: look again."""
        info = self._destination.info(LOCK)
        if info is None or self._destination.load(LOCK, RunLock) != other:
            return False
        if not self._destination.replace(LOCK, encoded(self._lock), fingerprint(info)):
            return False
        progress.say(f"taking over {self._destination.url} from a run that ended without a word")
        time.sleep(_SETTLE)  # where `replace` is not certain, whoever else took it over has written by now
        return self._is_ours()


@contextlib.contextmanager
def held(destination: Folder, workspace: Folder, job: str) -> Iterator[Lease]:
    """Hold a destination for this run. Raises as Lease.acquire does."""
    lease = Lease(destination, workspace, job)
    lease.acquire()
    try:
        yield lease
    finally:
        lease.release()


def holder(destination: Folder, workspace: Folder) -> Holder | None:
    """Which process holds a destination, or held it when it was killed; None when no run of this workspace does."""
    lock = destination.load(LOCK, RunLock)
    return None if lock is None else workspace.load(_noted(lock.run), Holder)


def is_dead(run: Holder) -> bool:
    """True when a run was a process of this machine, and is no more."""
    return is_here(run) and machine.began(run.process) != run.began


def is_here(run: Holder) -> bool:
    """True when a run is or was a process of this machine."""
    return run.machine is not None and run.machine == machine.identity()


def _forget_dead(workspace: Folder) -> None:
    """Remove the notes of runs that can be seen to be dead."""
    for name in workspace.child(RUNNING).list():
        found = workspace.load(f"{RUNNING}/{name}", Holder)
        if found is not None and is_dead(found):
            workspace.delete(f"{RUNNING}/{name}")


def _noted(run: str) -> str:
    return f"{RUNNING}/{run}.json"


def _here(run: str) -> Holder:
    return Holder(
        run=run,
        host=socket.gethostname(),
        machine=machine.identity(),
        process=os.getpid(),
        began=machine.began(os.getpid()),
    )
