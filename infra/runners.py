"""How tasks run side by side."""

import inspect
from collections.abc import Sequence
from typing import Any

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect import unmapped
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task

from infra.orchestration import Gathered, gather


def map_tasks(task: Task[..., Any], items: Sequence[Any], workers: int, what: str, **same: Any) -> Gathered:
    """One task run an item, `workers` at a time, each with the keyword arguments `same`; results in order.

    Raises as infra.orchestration.gather does: a failed task never goes unnoticed.
    """
    name = next(iter(inspect.signature(task.fn).parameters))
    parameters = {name: list(items), **{key: unmapped(value) for key, value in same.items()}}
    with ThreadPoolTaskRunner(max_workers=workers) as runner:
        return gather(list(runner.map(task, parameters)), what)


def run_task(task: Task[..., Any], *arguments: Any) -> Any:
    """One task run; gives its record also when the task found it done and said so by a state."""
    return task(*arguments, return_state=True).result()
