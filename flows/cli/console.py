"""What a person sees while a command runs: bars on a terminal, plain lines in a log, always on stderr."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from infra import progress
from infra.pace import Pace

_EVERY_SECONDS = 5.0
_VERBS = {
    "index": "Indexing",
    "fit": "Fitting noise",
    "rewrite": "Rewriting",
    "verify": "Verifying",
    "evaluate": "Training",
}


def stderr() -> Console:
    """A console on stderr; rich leaves colours out for NO_COLOR and when it is no terminal."""
    return Console(stderr=True, highlight=False)


class Bars:
    """A bar a stage, on a terminal."""

    def __init__(self, console: Console):
        columns = (
            TextColumn("{task.description:14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
        )
        times = (TimeElapsedColumn(), TextColumn("{task.fields[pace]}"), TextColumn("{task.fields[note]}", style="dim"))
        self._progress = Progress(*columns, *times, console=console)
        self._stages: dict[str, tuple[TaskID, Pace]] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def start(self, stage: str, total: int, unit: str) -> None:
        """See infra.progress.Listener."""
        fields: dict[str, Any] = {"unit": unit, "pace": "", "note": ""}
        task = self._progress.add_task(_VERBS.get(stage, stage), total=total or None, **fields)
        self._stages[stage] = task, Pace(total, unit)

    def advance(self, stage: str, done: int, note: str, images: int) -> None:
        """See infra.progress.Listener."""
        if stage in self._stages:
            task, pace = self._stages[stage]
            pace.add(done, images)
            told = ", ".join(filter(None, (pace.rate(), pace.left())))
            self._progress.update(task, advance=done, pace=told, note=note)

    def finish(self, stage: str) -> None:
        """See infra.progress.Listener."""
        if stage in self._stages:
            task, pace = self._stages.pop(stage)
            self._progress.update(task, total=pace.done, pace=pace.rate(), note="")

    def say(self, text: str) -> None:
        """See infra.progress.Listener."""
        self._progress.console.print(text, markup=False, soft_wrap=True)


class Lines:
    """A line when a stage begins and ends, and at most one every five seconds in between."""

    def __init__(self, console: Console):
        self._console = console
        self._stages: dict[str, Pace] = {}
        self._told: dict[str, float] = {}

    def start(self, stage: str, total: int, unit: str) -> None:
        """See infra.progress.Listener."""
        self._stages[stage], self._told[stage] = Pace(total, unit), time.monotonic()
        self.say(f"{stage}: {total or '?'} {unit}")

    def advance(self, stage: str, done: int, note: str, images: int) -> None:
        """See infra.progress.Listener."""
        if (pace := self._stages.get(stage)) is None:
            return
        pace.add(done, images)
        if time.monotonic() - self._told[stage] >= _EVERY_SECONDS:
            self._told[stage] = time.monotonic()
            self.say(f"{stage}: {pace.told(note)}")

    def finish(self, stage: str) -> None:
        """See infra.progress.Listener."""
        if (pace := self._stages.pop(stage, None)) is not None:
            rate = f", {pace.rate()}" if pace.images else ""
            self.say(f"{stage}: {pace.done} {pace.unit} in {pace.seconds:.1f} s{rate}")

    def say(self, text: str) -> None:
        """See infra.progress.Listener."""
        self._console.print(text, markup=False, soft_wrap=True)


@contextlib.contextmanager
def show_progress() -> Iterator[None]:
    """Bars while the block runs when stderr is a terminal, else lines."""
    console = stderr()
    if not sys.stderr.isatty():
        with progress.heard_by(Lines(console)):
            yield
        return
    with Bars(console) as bars, progress.heard_by(bars):
        yield
