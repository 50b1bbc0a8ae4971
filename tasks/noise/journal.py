"""What a fit tells while it runs, and what it leaves behind each round so that it can go on from there."""

from collections.abc import Collection
from typing import Any, Protocol

from torch import Tensor

from tasks.noise.fitted import Round

State = tuple[dict[str, Tensor], dict[str, Any]]


class Journal(Protocol):
    """Hears of each round, and keeps the state of the fit: named tensors, and notes that JSON can hold."""

    def heard(self, one: Round) -> None:
        """A round is over."""
        ...

    def save(self, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
        """Keep a state; it replaces the one before."""
        ...

    def load(self, names: Collection[str]) -> State | None:
        """The state that was kept last, if any; one without tensors of all these `names` is another fit's: None."""
        ...

    def chapter(self, name: str) -> "Journal":
        """A journal of its own for a part of the fit."""
        ...


class Unkept:
    """A journal that keeps nothing: for probes, and fits that are over in no time."""

    def heard(self, one: Round) -> None:
        """See Journal."""

    def save(self, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
        """See Journal."""

    def load(self, names: Collection[str]) -> State | None:
        """See Journal."""
        del names
        return None

    def chapter(self, name: str) -> Journal:
        """See Journal."""
        del name
        return self
