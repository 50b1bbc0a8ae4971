"""Fitted noise in a workspace: noise/DIGEST/fitted.safetensors, and record.json, written last. Never pickle."""

import safetensors
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from infra.errors import DataError
from infra.storage import Folder, sha256
from schemas.noise import NoiseRecord

TENSORS = "fitted.safetensors"
RECORD = "record.json"


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
