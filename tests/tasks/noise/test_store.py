import pytest
import torch

from infra.errors import DataError
from infra.storage import Folder, sha256
from schemas.fitted import NoiseRecord
from schemas.noise import ErrorMinimizing, NoiseBudget
from tasks.noise import store

INPUTS = "ab" * 32
TENSORS = {"noise": torch.arange(-8, 8, dtype=torch.int8).view(1, 4, 4), "keys": torch.tensor([2**62])}


@pytest.fixture
def workspace(tmp_path):
    return Folder(str(tmp_path))


def record_of(data, **changes):
    fields = {
        "inputs": INPUTS,
        "method": ErrorMinimizing(),
        "budget": NoiseBudget(),
        "class_names": ("cat", "dog"),
        "dataset": "d",
        "key_fingerprint": "f",
        "working_size": 32,
        "samples": 5,
        "stopped": "at-lambda",
        "precision": "fp32",
        "device": "cpu",
        "seconds": 0.1,
        "tensors_bytes": len(data),
        "tensors_sha256": sha256(data),
    }
    return NoiseRecord(**{**fields, **changes})


@pytest.fixture
def saved(workspace):
    data = store.encode(TENSORS)
    record = record_of(data)
    store.save(workspace, record, data)
    return record


def test_noise_that_was_saved_is_found_and_loaded(workspace, saved):
    assert store.finished(workspace, INPUTS) == saved
    loaded = store.load(workspace, saved)
    assert loaded.keys() == TENSORS.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in TENSORS.items())


def test_other_inputs_are_not_done(workspace, saved):
    assert store.finished(workspace, "cd" * 32) is None
    assert store.finished(workspace, INPUTS[:16] + "0" * 48) is None


def test_nothing_is_done_in_an_empty_workspace(workspace):
    assert store.finished(workspace, INPUTS) is None


def test_tensors_without_their_record_are_not_done(workspace, saved):
    store.folder_of(workspace, INPUTS).delete(store.RECORD)
    assert store.finished(workspace, INPUTS) is None


def test_the_record_is_written_last(workspace, monkeypatch):
    written = []
    write = Folder.write
    monkeypatch.setattr(Folder, "write", lambda *args, **kw: (written.append(args[1]), write(*args, **kw))[1])
    data = store.encode(TENSORS)
    store.save(workspace, record_of(data), data)
    assert written == [store.TENSORS, store.RECORD]


@pytest.mark.parametrize("change", ["cut", "gone", "longer"])
def test_a_record_marks_nothing_as_done_without_tensors_of_its_size(workspace, saved, change):
    folder = store.folder_of(workspace, INPUTS)
    data = folder.read(store.TENSORS)
    folder.delete(store.TENSORS)
    if change != "gone":
        folder.write(store.TENSORS, data[:-1] if change == "cut" else data + b"\0")
    assert store.finished(workspace, INPUTS) is None


def test_tensors_that_were_changed_are_refused(workspace, saved):
    folder = store.folder_of(workspace, INPUTS)
    data = bytearray(folder.read(store.TENSORS))
    data[-1] ^= 1
    folder.write(store.TENSORS, bytes(data))
    assert store.finished(workspace, INPUTS) is None
    with pytest.raises(DataError, match="is not what its record says") as caught:
        store.load(workspace, saved)
    assert folder.object_url(store.TENSORS) in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"no tensors at all", b"\x80\x04\x95pickle"])
def test_a_file_of_another_kind_is_refused_even_when_its_record_names_it(workspace, data):
    record = record_of(data)
    store.save(workspace, record, data)
    with pytest.raises(DataError, match="no safetensors file"):
        store.load(workspace, record)


def test_a_damaged_record_is_an_error_with_a_mend(workspace, saved):
    store.folder_of(workspace, INPUTS).write(store.RECORD, b"{")
    with pytest.raises(DataError, match="remove it"):
        store.finished(workspace, INPUTS)


def test_no_tensors_are_a_file_too(workspace):
    data = store.encode({})
    record = record_of(data)
    store.save(workspace, record, data)
    assert store.load(workspace, record) == {}
