"""Flows and tasks for clusters. Prefect hands the flow over with each task, so they hold nothing of a test's."""

import os
import signal
from pathlib import Path
from typing import Any

from prefect import flow, task

from infra.runners import Steps, map_tasks
from schemas.runner import Runner


@task
def look_around(number: int) -> dict[str, Any]:
    """Where a task runs, and what it finds there."""
    import torch

    return {
        "number": number,
        "process": os.getpid(),
        "parent": os.getppid(),
        "threads": torch.get_num_threads(),
        "environment": dict(os.environ),
    }


@task
def look_at_share(number: int) -> dict[str, Any]:
    """What Ray counts as this task's, and the GPUs that it sees."""
    import ray

    del number
    return {**ray.get_runtime_context().get_assigned_resources(), "seen": os.environ.get("CUDA_VISIBLE_DEVICES")}


@task
def die(number: int, place: Path, poisoned: int, times: int) -> int:
    """Kill the process that works on `poisoned`, the first `times` that it is tried; the others leave a file a try."""
    tries = len(list(place.glob(f"{number}-*")))
    (place / f"{number}-{tries}").touch()
    if number == poisoned and tries < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@flow
def looking(runner: Runner, tasks: int, workers: int) -> list[dict[str, Any]]:
    return map_tasks(look_around, list(range(tasks)), workers, "numbers", runner, Steps("look")).results


@flow
def sharing(runner: Runner, tasks: int) -> list[dict[str, Any]]:
    return map_tasks(look_at_share, list(range(tasks)), tasks, "numbers", runner, Steps("share")).results


@flow
def dying(runner: Runner, place: Path, times: int) -> list[int]:
    same = {"place": place, "poisoned": 1, "times": times}
    return map_tasks(die, list(range(4)), 2, "numbers", runner, Steps("die"), **same).results


class Counted:
    """A listener that counts the steps of each stage."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}

    def start(self, stage: str, total: int, unit: str) -> None:
        del total, unit
        self.done[stage] = 0

    def advance(self, stage: str, done: int, note: str, images: int) -> None:
        del note
        self.done[stage] = self.done.get(stage, 0) + done

    def finish(self, stage: str) -> None:
        del stage

    def say(self, text: str) -> None:
        del text
