"""Fitted noise in a workspace: noise/DIGEST/fitted.safetensors, and record.json, written last. Never pickle.

While a fit runs, its state lies beside them in checkpoint*.safetensors, written whole after each round.
"""

from collections.abc import Callable, Collection
from typing import Any

import safetensors
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from infra.checkpoint import Checkpoint, State
from infra.errors import DataError
from infra.storage import Folder, sha256
from schemas.fitted import NoiseRecord
from tasks.noise.fitted import Round

TENSORS = "fitted.safetensors"
RECORD = "record.json"
CHECKPOINT = "checkpoint"
_LAYOUT = 1  # of a checkpoint; raised whenever what a fit keeps in one changes


def folder_of(workspace: Folder, inputs: str) -> Folder:
    """Where the noise of these inputs lies."""
    return workspace.child(f"noise/{inputs[:16]}")


def encode(tensors: dict[str, Tensor]) -> bytes:
    """The bytes of fitted.safetensors."""
    return save_tensors(tensors)


def finished(workspace: Folder, inputs: str) -> NoiseRecord | None:
    """The record of noise that is done for exactly these inputs and whose tensors are there, unchanged, else None.

    The tensors are read whole for that: once a run, and they are as large as a source model or the noise itself.
    """
    folder = folder_of(workspace, inputs)
    record = folder.load(RECORD, NoiseRecord)
    if record is None or record.inputs != inputs:
        return None
    info = folder.info(TENSORS)
    if info is None or info.get("size") != record.tensors_bytes:
        return None
    return record if sha256(folder.read(TENSORS)) == record.tensors_sha256 else None


def save(workspace: Folder, record: NoiseRecord, tensors: bytes) -> None:
    """Write the tensors, then the record that marks them as done."""
    folder = folder_of(workspace, record.inputs)
    folder.write(TENSORS, tensors)
    folder.save(RECORD, record)


def load(workspace: Folder, record: NoiseRecord) -> dict[str, Tensor]:
    """The tensors of a record. Raises DataError when they are not the ones it names."""
    folder = folder_of(workspace, record.inputs)
    data = folder.read(TENSORS)
    where = folder.object_url(TENSORS)
    if sha256(data) != record.tensors_sha256:
        raise DataError(f"{where} is not what its record says", "remove that folder and run it again")
    try:
        return load_tensors(data)
    except safetensors.SafetensorError as error:
        raise DataError(f"{where} is no safetensors file: {error}", "remove that folder and run it again") from error


class StoredJournal:
    """A journal (tasks/noise/journal.py) in the folder of the noise; `tell` hears of each round.

    `seen` is a digest of the data that the fit sees. The folder is named after the dataset, not after the shards of
    the day (docs/adr/0003), so a fit that was killed may find other data when it is started again: it starts anew.
    """

    def __init__(self, folder: Folder, tell: Callable[[Round], None], seen: str, name: str = CHECKPOINT):
        self._folder, self._tell, self._seen, self._name = folder, tell, seen, name
        self._kept = Checkpoint(folder, name, seen, _LAYOUT)
        self._resumed = False
        self._chapters: list[StoredJournal] = []

    def heard(self, one: Round) -> None:
        """See Journal."""
        self._tell(one)

    def save(self, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
        """See Journal."""
        self._kept.save(tensors, notes)

    def load(self, names: Collection[str]) -> State | None:
        """See Journal. A checkpoint that can't be read, or is of other data, counts for nothing."""
        state = self._kept.load(names)
        self._resumed = self._resumed or state is not None
        return state

    def chapter(self, name: str) -> "StoredJournal":
        """See Journal."""
        part = StoredJournal(self._folder, self._tell, self._seen, f"{self._name}-{name}")
        self._chapters.append(part)
        return part

    def went_on(self) -> bool:
        """True when a fit has gone on from a state that was kept here."""
        return self._resumed or any(part.went_on() for part in self._chapters)

    def clear(self) -> None:
        """Remove what was kept, in chapters too: the fit is done."""
        for name in list(self._folder.list()):
            if name.startswith(self._name):
                self._folder.delete(name)
