"""How tasks run side by side: in threads, or on a Ray or Dask cluster."""

import contextlib
import inspect
import queue
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.tasks import Task
from prefect.utilities.annotations import quote

from infra import clusters, progress
from infra.devices import pick_device, slots
from infra.machine import cores
from infra.orchestration import CACHED, Gathered, gather, server_url, warn
from schemas.runner import DaskRunner, RayRunner, Runner, ThreadsRunner

THREADS = ThreadsRunner()
# Times that Ray starts a task again whose worker process or node was lost.
_RAY_RETRIES = 3
# A thread or a process that has done its task finds the next one waiting.
_WAITING = 2


@dataclass(frozen=True)
class Steps:
    """The steps of a stage that this process tells for tasks in other processes, which nobody hears."""

    stage: str
    count: Callable[[Any], int] = lambda item: 1  # noqa: ARG005 - by default an item is one step
    images: Callable[[Any], int] = lambda item: 0  # noqa: ARG005 - by default it is not known of how many images


def map_tasks(
    task: Task[..., Any],
    items: Sequence[Any],
    workers: int,
    what: str,
    runner: Runner = THREADS,
    told: Steps | None = None,
    **same: Any,
) -> Gathered:
    """One task run an item, `workers` at a time, each with the keyword arguments `same`; results in order.

    Raises as infra.orchestration.gather does (a failed task never goes unnoticed), and ConfigurationError when the
    runner can't be had.
    """
    name = next(iter(inspect.signature(task.fn).parameters))
    with _opened(runner, workers) as crew:
        futures: list[PrefectFuture[Any]] = []
        ended: queue.SimpleQueue[int] = queue.SimpleQueue()

        # Quoted, what threads share is handed over as it is: Prefect would walk through all of it for each task, in
        # search of futures. Clusters hand quotes over unopened.
        shared = {key: quote(value) for key, value in same.items()} if isinstance(runner, ThreadsRunner) else same

        def submit() -> None:
            number = len(futures)
            future = crew.submit(task, {name: items[number], **shared})
            futures.append(future)
            future.add_done_callback(lambda _: ended.put(number))

        while len(futures) < min(_under_way(runner, workers), len(items)):
            submit()
        for _ in items:
            number = ended.get()
            if len(futures) < len(items):
                submit()
            if told is not None and not isinstance(runner, ThreadsRunner):
                item = items[number]
                worked = 0 if _was_done(futures[number]) else told.images(item)
                progress.advance(told.stage, told.count(item), images=worked)
        return gather(futures, what)


def _was_done(future: PrefectFuture[Any]) -> bool:
    """True when a task that has ended found its work done before."""
    future.wait()  # it has ended: that hands its state over, so that the server need not be asked
    return future.state.name == CACHED


def run_task(task: Task[..., Any], *arguments: Any) -> Any:
    """One task run; gives its record also when the task found it done and said so by a state."""
    return task(*arguments, return_state=True).result()


def side_by_side(runner: Runner, device: str, tasks: int) -> int:
    """How many networks are best trained side by side: what this machine bears, or all of them on a cluster elsewhere.

    Raises ConfigurationError when this machine is to train them and lacks the device.
    """
    if isinstance(runner, ThreadsRunner):
        return slots(pick_device(device))
    return max(1, cores() // runner.cores) if runner.address is None else tasks


def _under_way(runner: Runner, workers: int) -> int:
    """Tasks that are handed over at a time. Threads and a cluster of this machine do no more than `workers` of them."""
    elsewhere = not isinstance(runner, ThreadsRunner) and runner.address is not None
    return workers if elsewhere else _WAITING * workers


@contextlib.contextmanager
def _opened(runner: Runner, workers: int) -> Iterator[TaskRunner[Any]]:
    if isinstance(runner, RayRunner):
        with _ray(runner, workers) as crew:
            yield crew
    elif isinstance(runner, DaskRunner):
        with _dask(runner, workers) as crew:
            yield crew
    else:
        with ThreadPoolTaskRunner(max_workers=workers) as crew:
            yield crew


@contextlib.contextmanager
def _ray(runner: RayRunner, workers: int) -> Iterator[TaskRunner[Any]]:
    with clusters.ray_cluster(runner, workers, server_url()) as lacking:
        from prefect_ray.context import remote_options
        from prefect_ray.task_runners import RayTaskRunner

        _warn(lacking)
        asked = {"num_cpus": runner.cores, "num_gpus": runner.gpus, "memory": runner.memory}
        with RayTaskRunner() as crew, remote_options(**asked, max_retries=_RAY_RETRIES):
            yield crew


@contextlib.contextmanager
def _dask(runner: DaskRunner, workers: int) -> Iterator[TaskRunner[Any]]:
    server = server_url()
    with clusters.dask_cluster(runner, workers, server) as place:
        from dask.base import annotate
        from prefect_dask.task_runners import DaskTaskRunner

        with DaskTaskRunner(**place) as crew:
            _warn(clusters.greet(runner, crew.client, server))
            with annotate(resources=clusters.dask_resources(runner)):
                yield crew


def _warn(lacking: str | None) -> None:
    if lacking is not None:
        warn(f"{lacking}: tasks wait until one joins")
