"""What a fit tells while it runs, and what it leaves behind each round so that it can go on from there."""

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

    def load(self) -> State | None:
        """The state that was kept last, if any."""
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

    def load(self) -> State | None:
        """See Journal."""
        return None

    def chapter(self, name: str) -> Journal:
        """See Journal."""
        del name
        return self
