"""How long stages tell what they have done: to whoever listens, which is nobody by default.

A stage says `progress.start("rewrite", total=200, unit="shards")` and `progress.advance("rewrite")`;
the command line listens with bars on a terminal and with plain lines elsewhere. `progress.say` is for what a person
should read whether or not a stage is under way.
"""

import contextlib
from collections.abc import Iterator
from typing import Protocol


class Listener(Protocol):
    """Who listens."""

    def start(self, stage: str, total: int, unit: str) -> None:
        """A stage begins: `total` units of work, 0 when that is not known."""
        ...

    def advance(self, stage: str, done: int, note: str, images: int) -> None:
        """`done` more units are finished; `note` is a short word on them, or empty; `images` were worked on for them.

        0 images: what is done was found done, or the stage works on none.
        """
        ...

    def finish(self, stage: str) -> None:
        """The stage is over."""
        ...

    def say(self, text: str) -> None:
        """A line for whoever watches."""
        ...


_listeners: tuple[Listener, ...] = ()


@contextlib.contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let `listener` hear all stages of this process, beside those that do already, until the block ends."""
    global _listeners
    _listeners = (*_listeners, listener)
    try:
        yield
    finally:
        _listeners = tuple(each for each in _listeners if each is not listener)


def start(stage: str, total: int, unit: str) -> None:
    """Say that a stage begins."""
    for each in _listeners:
        each.start(stage, total, unit)


def advance(stage: str, done: int = 1, note: str = "", images: int = 0) -> None:
    """Say that `done` more units of a stage are finished, for which `images` were worked on."""
    for each in _listeners:
        each.advance(stage, done, note, images)


def finish(stage: str) -> None:
    """Say that a stage is over."""
    for each in _listeners:
        each.finish(stage)


def say(text: str) -> None:
    """A line for whoever watches."""
    for each in _listeners:
        each.say(text)
