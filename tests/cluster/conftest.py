"""A Ray cluster of two nodes on this machine, as `ray start` makes it on two; on loopback, ended by process id."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from infra import progress
from schemas.runner import RayRunner
from tests.cluster.jobs import Counted

_RAY = Path(sys.executable).parent / "ray"
_PATIENCE = 180  # seconds
_LOG_END = 3000  # characters
GPU_NODE_MEMORY = 3 << 30  # bytes


@dataclass(frozen=True)
class Nodes:
    """Where a cluster is, and the processes that its nodes run in."""

    address: str
    client_address: str
    place: Path
    processes: tuple[subprocess.Popen[bytes], ...]

    @property
    def runner(self) -> RayRunner:
        return RayRunner(address=self.address)

    def running(self, title: str) -> list[psutil.Process]:
        """Worker processes that are at a task of this name."""
        found = []
        for node in self.processes:
            for child in psutil.Process(node.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if title in " ".join(child.cmdline()):
                        found.append(child)
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the nodes have logged: their folder is gone afterwards."""
    report = yield
    found = getattr(item, "funcargs", {}).get("nodes")
    if report.failed and isinstance(found, Nodes):
        for file in sorted(found.place.glob("session_latest/logs/*client_server*")):
            report.sections.append((file.name, file.read_text(errors="replace")[-_LOG_END:]))
    return report


@pytest.fixture(scope="session")
def nodes(prefect_server: None) -> Iterator[Nodes]:
    """Two nodes of one core each; the second says that it has a GPU, which Ray believes. They have no key and no
    credentials in their environment.
    """
    port = free_port()
    # Whoever has no token can't use them. The driver, which is this process, reads it where Ray looks for it.
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_AUTH_MODE", "token")
    patch.setenv("RAY_AUTH_TOKEN", "of-these-tests-only-" + os.urandom(8).hex())
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("UNLEARNABLE_", "AWS_"))}
    # As for real ones (docs/scaling.md): the head forks while its threads use gRPC, whose fork handlers can crash then.
    plain["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    plain["RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S"] = str(_PATIENCE)  # half a minute is little on a busy machine
    with contextlib.ExitStack() as stack:
        stack.callback(patch.undo)
        place = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
        own = ["--node-ip-address=127.0.0.1", "--num-cpus=1", "--object-store-memory=100000000"]
        client = free_port()
        head = ["--head", f"--port={port}", f"--ray-client-server-port={client}", f"--temp-dir={place}"]
        head.append("--include-dashboard=false")
        started = []
        for options in (head, [f"--address=127.0.0.1:{port}", "--num-gpus=1", f"--memory={GPU_NODE_MEMORY}"]):
            command = [_RAY, "start", "--block", "--disable-usage-stats", *own, *options]
            process = subprocess.Popen(
                command, cwd=place, env=plain, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(_end, process)
            started.append(process)
            _wait_for(lambda: _answers(port), "the head")
        found = Nodes(f"127.0.0.1:{port}", f"ray://127.0.0.1:{client}", Path(place), tuple(started))
        _wait_for(lambda: _alive(found.address) == len(started), "both nodes")
        yield found


def _wait_for(ready: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + _PATIENCE
    while not ready():
        assert time.monotonic() < until, f"{what} of the cluster did not come up"
        time.sleep(0.5)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _alive(address: str) -> int:
    import ray

    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR")
        return sum(node["Alive"] for node in ray.nodes())
    except ConnectionError:
        return 0
    finally:
        ray.shutdown()


@pytest.fixture
def heard() -> Iterator[Counted]:
    """What progress this process is told of."""
    found = Counted()
    with progress.heard_by(found):
        yield found


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a node and all that it has started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        _, alive = psutil.wait_procs(family, timeout=20)
        for one in alive:
            one.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=20)
    process.kill()
