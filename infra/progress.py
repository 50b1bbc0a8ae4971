"""How long stages tell what they have done: to whoever listens, which is nobody by default.

A stage says `progress.start("rewrite", total=200, unit="shards")` and `progress.advance("rewrite")`;
the command line listens with bars on a terminal and with plain lines elsewhere. `progress.say` is for what a person
should read whether or not a stage is under way.
"""

from typing import Protocol


class Listener(Protocol):
    """Who listens."""

    def start(self, stage: str, total: int, unit: str) -> None:
        """A stage begins: `total` units of work, 0 when that is not known."""
        ...

    def advance(self, stage: str, done: int, note: str) -> None:
        """`done` more units are finished; `note` is a short word on them, or empty."""
        ...

    def finish(self, stage: str) -> None:
        """The stage is over."""
        ...

    def say(self, text: str) -> None:
        """A line for whoever watches."""
        ...


class _Silent:
    def start(self, stage: str, total: int, unit: str) -> None:
        del stage, total, unit

    def advance(self, stage: str, done: int, note: str) -> None:
        del stage, done, note

    def finish(self, stage: str) -> None:
        del stage

    def say(self, text: str) -> None:
        del text


_listener: Listener = _Silent()


def listen(listener: Listener | None) -> None:
    """Let `listener` hear all stages of this process; None: nobody."""
    global _listener
    _listener = listener or _Silent()


def start(stage: str, total: int, unit: str) -> None:
    """Say that a stage begins."""
    _listener.start(stage, total, unit)


def advance(stage: str, done: int = 1, note: str = "") -> None:
    """Say that `done` more units of a stage are finished."""
    _listener.advance(stage, done, note)


def finish(stage: str) -> None:
    """Say that a stage is over."""
    _listener.finish(stage)


def say(text: str) -> None:
    """A line for whoever watches."""
    _listener.say(text)
