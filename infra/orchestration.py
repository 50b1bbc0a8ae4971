"""What flows and stages take of Prefect: a server, retries, the gathering of results, gates. Settings come first."""

import contextlib
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect import get_client, get_run_logger
from prefect.blocks.system import Secret
from prefect.cache_policies import NO_CACHE
from prefect.client.base import ServerType, determine_server_type
from prefect.client.schemas.objects import State, TaskRun
from prefect.concurrency.sync import concurrency
from prefect.context import FlowRunContext
from prefect.exceptions import MissingContextError
from prefect.futures import PrefectFuture
from prefect.settings import get_current_settings
from prefect.states import Completed
from prefect.tasks import Task, exponential_backoff

from infra import failures, progress
from infra.errors import ConfigurationError, DataError, RunError, StorageError, UnlearnableError

CACHED = "Cached"
_MOST_CRASHES = 3

# Options of every task that touches storage: try again, with jitter, after a storage error that may pass.
RETRIES: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=1),
    "retry_jitter_factor": 0.5,
    "cache_policy": NO_CACHE,  # done-markers tell what is done; a key of Prefect's would cost a hash of all parameters
}


def start_server() -> None:
    """Start the ephemeral server that flows would start, where no server is named; it ends with this process.

    A terminal's Ctrl-C goes to every process of a job. A server that it ended could not be told of the interruption:
    the flow would try to for a minute, and fail in the end as if the network were down. So this one doesn't hear it.
    """
    if determine_server_type() is not ServerType.EPHEMERAL:
        return
    from prefect.server.api.server import SubprocessASGIServer  # slow to import

    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a child inherits what is blocked
    try:
        SubprocessASGIServer().start()
    except RuntimeError as error:
        mend = "run it again when the machine is less busy, or name a server in PREFECT_API_URL"
        raise StorageError(f"the temporary Prefect server did not start ({error})", mend) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def server_url() -> str:
    """Address of the Prefect server that this run talks to; the ephemeral one answers on this machine only.

    Raises ConfigurationError when there is none, StorageError when the ephemeral one does not start.
    """
    named = get_current_settings().api.url
    if named:
        return named
    if determine_server_type() is not ServerType.EPHEMERAL:
        raise ConfigurationError("PREFECT_API_URL is not set, and no ephemeral server is allowed", "name a server")
    start_server()
    from prefect.server.api.server import SubprocessASGIServer

    return SubprocessASGIServer().api_url


def give_up_after_crashes() -> None:
    """Raise RunError when this run has crashed three times in a row: it would again, and an automation retries it.

    Call it first in a flow. Outside one, and in a run that no server keeps, it does nothing.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(context.flow_run.id)
    ended = [state for state in sorted(states, key=lambda one: one.timestamp) if state.is_final()]
    in_a_row = len(list(takewhile(lambda one: one.is_crashed(), reversed(ended))))
    if in_a_row >= _MOST_CRASHES:
        problem = f"this run has crashed {in_a_row} times in a row and is not tried again by itself"
        raise RunError(problem, "look why its process ended (memory?), and retry it by hand")


def may_pass(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Retry condition: True for a storage error that trying again may mend, and for nothing else."""
    del task, run
    try:
        state.result(raise_on_failure=True)
    except StorageError as error:
        return error.transient
    except Exception:  # noqa: BLE001 - any other failure is final; the task's own state keeps it
        return False
    return False


RETRIES["retry_condition_fn"] = may_pass


def cached(record: Any) -> Any:
    """A state that shows in the UI as Cached and gives `record`: the done-marker says it is done."""
    return Completed(name=CACHED, message="done before; its marker and its object are there", data=record)


@dataclass(frozen=True)
class Gathered:
    """Results of a stage's tasks, in order, and how many of them were done before."""

    results: list[Any]
    cached: int


def gather(futures: list[PrefectFuture[Any]], what: str) -> Gathered:
    """Results of all futures. Raises the one failure, or one that counts and names them.

    A flow that only waits would end Completed although a task failed.
    """
    results: list[Any] = []
    failures: list[Exception] = []
    for future in futures:
        try:
            results.append(future.result())
        except Exception as error:  # noqa: BLE001 - every failure is counted, then raised as one
            failures.append(error)
    if not failures:
        return Gathered(results, sum(future.state.name == CACHED for future in futures))
    if len(failures) == 1 and isinstance(failures[0], UnlearnableError):
        raise failures[0]
    first = next((f for f in failures if isinstance(f, UnlearnableError)), failures[0])
    reasons = "; ".join(str(f) for f in failures[:5])
    mend = first.mend if isinstance(first, UnlearnableError) else "see the log, mend the cause and run it again"
    raise DataError(f"{len(failures)}/{len(futures)} {what} failed: {reasons}", mend) from first


@contextlib.contextmanager
def gpu_gate(device: str) -> Iterator[None]:
    """Hold this machine's GPU gate while a task uses the GPU; on a CPU there is nothing to hold.

    The gate is Prefect's concurrency limit gpu-HOST, when somebody has created it.
    """
    if device != "cuda":
        yield
        return
    with concurrency(f"gpu-{socket.gethostname()}", occupy=1):
        yield


def secret_block(name: str | None) -> str | None:
    """The value of a Prefect Secret block, or None when no block is named. Raises ConfigurationError."""
    if name is None:
        return None
    try:
        return str(Secret.load(name).get())  # pyright: ignore
    except ValueError as error:
        raise ConfigurationError(f"there is no Secret block called {name}", "create it, or use --key-file") from error


def log(message: str) -> None:
    """Write a line to the run's log, inside a run; nowhere outside one."""
    failures.hear(message)
    with contextlib.suppress(MissingContextError):
        get_run_logger().info(message)


def warn(message: str) -> None:
    """Say what may make the job worth less than was asked: in the run's log, and to whoever watches."""
    failures.hear(f"warning: {message}")
    with contextlib.suppress(MissingContextError):
        get_run_logger().warning(message)
    progress.say(f"warning: {message}")
