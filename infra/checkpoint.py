"""Where a long run stands, kept in one safetensors file so that a run that was killed goes on. Never pickle."""

import hashlib
import json
from collections.abc import Collection
from typing import Any

import safetensors
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from infra.storage import Folder

State = tuple[dict[str, Tensor], dict[str, Any]]
_NOTES = "notes"


class Checkpoint:
    """One file, written whole at every save: named tensors, and notes that JSON can hold.

    `seen` tells what the run is of, data included, and `layout` how its state is laid out: one kept by another run, or
    in another layout, counts for nothing.
    """

    def __init__(self, folder: Folder, name: str, seen: str, layout: int = 1):
        self._folder, self._file, self._seen, self._layout = folder, f"{name}.safetensors", seen, layout

    def save(self, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
        """Keep a state; it replaces the one before. Raises StorageError. The notes travel as a tensor of bytes."""
        marked = {"layout": self._layout, "seen": self._seen, "notes": notes, "sha256": _sum_of(tensors, notes)}
        text = torch.frombuffer(bytearray(json.dumps(marked).encode()), dtype=torch.uint8)
        self._folder.write(self._file, save_tensors({**tensors, _NOTES: text}))

    def load(self, names: Collection[str]) -> State | None:
        """The state that was kept last; None without one, or when it is damaged or lacks one of `names`.

        Raises StorageError when the place can't be read.
        """
        data = self._folder.read_optional(self._file)
        state = None if data is None else self._read(data)
        return state if state is not None and state[0].keys() >= set(names) else None

    def clear(self) -> None:
        """Remove what was kept: the run is done. Raises StorageError."""
        self._folder.delete(self._file)

    def _read(self, data: bytes) -> State | None:
        try:
            tensors = load_tensors(data)
            marked = json.loads(tensors.pop(_NOTES).numpy().tobytes())
        except (safetensors.SafetensorError, KeyError, ValueError):
            return None
        if not isinstance(marked, dict) or not isinstance(marked.get("notes"), dict):
            return None
        ours = (marked.get("layout"), marked.get("seen")) == (self._layout, self._seen)
        sound = ours and marked.get("sha256") == _sum_of(tensors, marked["notes"])
        return (tensors, marked["notes"]) if sound else None


def _sum_of(tensors: dict[str, Tensor], notes: dict[str, Any]) -> str:
    """SHA-256 of a state: a run that went on from a damaged one would end in a wrong number."""
    hasher = hashlib.sha256(json.dumps(notes).encode())
    for name, tensor in sorted(tensors.items()):
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        hasher.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()
