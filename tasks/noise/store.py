"""Fitted noise in a workspace: noise/DIGEST/fitted.safetensors, and record.json, written last. Never pickle.

While a fit runs, its state lies beside them in checkpoint*.safetensors, written whole after each round.
"""

import json
from collections.abc import Callable
from typing import Any

import safetensors
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from infra.errors import DataError
from infra.storage import Folder, sha256
from schemas.fitted import NoiseRecord
from tasks.noise.fitted import Round
from tasks.noise.journal import State

TENSORS = "fitted.safetensors"
RECORD = "record.json"
CHECKPOINT = "checkpoint"
_NOTES = "notes"


def folder_of(workspace: Folder, inputs: str) -> Folder:
    """Where the noise of these inputs lies."""
    return workspace.child(f"noise/{inputs[:16]}")


def encode(tensors: dict[str, Tensor]) -> bytes:
    """The bytes of fitted.safetensors."""
    return save_tensors(tensors)


def finished(workspace: Folder, inputs: str) -> NoiseRecord | None:
    """The record of noise that is done for exactly these inputs and whose tensors are there, else None."""
    folder = folder_of(workspace, inputs)
    record = folder.load(RECORD, NoiseRecord)
    if record is None or record.inputs != inputs:
        return None
    info = folder.info(TENSORS)
    return record if info is not None and info.get("size") == record.tensors_bytes else None


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
    """A journal (tasks/noise/journal.py) in the folder of the noise; `tell` hears of each round."""

    def __init__(self, folder: Folder, tell: Callable[[Round], None], name: str = CHECKPOINT):
        self._folder, self._tell, self._name = folder, tell, name
        self._resumed = False
        self._chapters: list[StoredJournal] = []

    def heard(self, one: Round) -> None:
        """See Journal."""
        self._tell(one)

    def save(self, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
        """See Journal. The notes travel as a tensor of bytes."""
        text = torch.frombuffer(bytearray(json.dumps(notes).encode()), dtype=torch.uint8)
        self._folder.write(f"{self._name}.safetensors", save_tensors({**tensors, _NOTES: text}))

    def load(self) -> State | None:
        """See Journal. A checkpoint that can't be read counts for nothing: the fit starts anew."""
        data = self._folder.read_optional(f"{self._name}.safetensors")
        if data is None:
            return None
        try:
            tensors = load_tensors(data)
            notes = json.loads(tensors.pop(_NOTES).numpy().tobytes())
        except (safetensors.SafetensorError, KeyError, ValueError):
            return None
        self._resumed = True
        return tensors, notes

    def chapter(self, name: str) -> "StoredJournal":
        """See Journal."""
        part = StoredJournal(self._folder, self._tell, f"{self._name}-{name}")
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
