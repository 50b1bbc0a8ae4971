"""What a person sees while a command runs: bars on a terminal, plain lines in a log, always on stderr."""

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from infra import progress

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
        columns = (TextColumn("{task.description:14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, TextColumn("{task.fields[note]}", style="dim"), console=console)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        progress.listen(self)
        return self

    def __exit__(self, *_: object) -> None:
        progress.listen(None)
        self._progress.stop()

    def start(self, stage: str, total: int, unit: str) -> None:
        """See infra.progress.Listener."""
        del unit
        self._tasks[stage] = self._progress.add_task(_VERBS.get(stage, stage), total=total or None, note="")

    def advance(self, stage: str, done: int, note: str) -> None:
        """See infra.progress.Listener."""
        if stage in self._tasks:
            self._progress.update(self._tasks[stage], advance=done, note=note)

    def finish(self, stage: str) -> None:
        """See infra.progress.Listener."""
        if (task := self._tasks.pop(stage, None)) is not None:
            done = next(t.completed for t in self._progress.tasks if t.id == task)
            self._progress.update(task, total=done, note="")

    def say(self, text: str) -> None:
        """See infra.progress.Listener."""
        self._progress.console.print(text, markup=False, soft_wrap=True)


class Lines:
    """A line when a stage begins and ends, and at most one every five seconds in between."""

    def __init__(self, console: Console):
        self._console = console
        self._stages: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> "Lines":
        progress.listen(self)
        return self

    def __exit__(self, *_: object) -> None:
        progress.listen(None)

    def start(self, stage: str, total: int, unit: str) -> None:
        """See infra.progress.Listener."""
        now = time.monotonic()
        self._stages[stage] = {"total": total, "unit": unit, "done": 0, "began": now, "told": now}
        self.say(f"{stage}: {total or '?'} {unit}")

    def advance(self, stage: str, done: int, note: str) -> None:
        """See infra.progress.Listener."""
        if (state := self._stages.get(stage)) is None:
            return
        state["done"] += done
        if time.monotonic() - state["told"] >= _EVERY_SECONDS:
            state["told"] = time.monotonic()
            self.say(f"{stage}: {state['done']}/{state['total'] or '?'} {state['unit']}{', ' * bool(note)}{note}")

    def finish(self, stage: str) -> None:
        """See infra.progress.Listener."""
        if (state := self._stages.pop(stage, None)) is not None:
            seconds = time.monotonic() - state["began"]
            self.say(f"{stage}: {state['done']} {state['unit']} in {seconds:.1f} s")

    def say(self, text: str) -> None:
        """See infra.progress.Listener."""
        self._console.print(text, markup=False, soft_wrap=True)


def show_progress() -> Bars | Lines:
    """Bars when stderr is a terminal, else lines."""
    console = stderr()
    return Bars(console) if sys.stderr.isatty() else Lines(console)
