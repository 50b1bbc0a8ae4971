"""The state of a victim's run in a workspace, so that a run that was killed goes on from its last kept epoch."""

import time
from typing import Any

from torch import Tensor

from infra.checkpoint import Checkpoint, State

EVERY = 20.0
_APART = 20.0  # in times of what the last write took: a far bucket must not take more than a twentieth of a run's time


class KeptRun:
    """Keeps a state when the last one is `every` seconds old: writing one may take longer than a fast epoch.

    Where writing takes long it waits longer. 0: a state is kept after each epoch.
    """

    def __init__(self, checkpoint: Checkpoint, every: float = EVERY):
        self._checkpoint, self._every = checkpoint, every
        self._last, self._took = time.monotonic(), 0.0

    def due(self) -> bool:
        """See victim.Kept."""
        passed = time.monotonic() - self._last
        return passed >= self._every and (not self._every or passed >= _APART * self._took)

    def save(self, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
        """See victim.Kept. Raises StorageError."""
        started = time.monotonic()
        self._checkpoint.save(tensors, notes)
        self._last = time.monotonic()
        self._took = self._last - started

    def load(self) -> State | None:
        """See victim.Kept. Raises StorageError."""
        return self._checkpoint.load(())

    def clear(self) -> None:
        """The run is done. Raises StorageError."""
        self._checkpoint.clear()
