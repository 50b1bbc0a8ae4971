"""A state that is kept comes back as it was, or not at all."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from infra.checkpoint import Checkpoint
from infra.storage import Folder

TENSORS = {
    "weight": torch.arange(24.0).view(2, 3, 2, 2).to(memory_format=torch.channels_last),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "count": torch.tensor(7),
    "none": torch.zeros(0, 3),
}
NOTES = {"curve": [{"epoch": 1, "loss": 0.1}], "seconds": 1.5}


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path))


def kept_in(folder, seen="this run", layout=1, name="evaluate/0123"):
    return Checkpoint(folder, name, seen, layout)


def same(found, expected):
    return found.keys() == expected.keys() and all(
        torch.equal(found[name], expected[name]) and found[name].dtype == expected[name].dtype for name in expected
    )


def test_a_state_comes_back_as_it_was(folder):
    kept_in(folder).save({name: tensor.contiguous() for name, tensor in TENSORS.items()}, NOTES)
    tensors, notes = kept_in(folder).load(())
    assert same(tensors, TENSORS)
    assert notes == NOTES


@settings(deadline=None, max_examples=20)
@given(st.dictionaries(st.text(max_size=4), st.floats() | st.lists(st.integers()) | st.text(max_size=4), max_size=4))
def test_notes_of_any_kind_come_back(tmp_path_factory, notes):
    place = Folder(str(tmp_path_factory.mktemp("kept")))
    kept_in(place).save({}, notes)
    found = kept_in(place).load(())[1]
    assert repr(found) == repr(notes)


def test_a_later_state_replaces_the_one_before_and_nothing_is_left_once_it_is_cleared(folder):
    checkpoint = kept_in(folder)
    for count in (1, 2):
        checkpoint.save({"count": torch.tensor(count)}, {})
    assert checkpoint.load(())[0]["count"] == 2
    assert list(folder.list()) == ["evaluate/0123.safetensors"]
    checkpoint.clear()
    assert checkpoint.load(()) is None
    assert not folder.list()
    checkpoint.clear()


def test_a_state_of_another_run_or_layout_counts_for_nothing(folder):
    kept_in(folder).save({"count": torch.tensor(1)}, {})
    assert kept_in(folder, seen="that run").load(()) is None
    assert kept_in(folder, layout=2).load(()) is None
    assert kept_in(folder, name="evaluate/4567").load(()) is None
    assert kept_in(folder).load(()) is not None


def test_a_state_that_lacks_a_tensor_counts_for_nothing(folder):
    kept_in(folder).save({"count": torch.tensor(1)}, {})
    assert kept_in(folder).load(["count", "weight"]) is None
    assert kept_in(folder).load(["count"]) is not None


def test_a_damaged_file_counts_for_nothing_wherever_the_damage_is(folder):
    """Whole file, each byte in turn turned over: what loads all the same must be what was kept."""
    tensors, notes = {"noise": torch.tensor([3, -4], dtype=torch.int8), "loss": torch.tensor(math.pi)}, {"count": 3}
    kept_in(folder).save(tensors, notes)
    data = folder.read("evaluate/0123.safetensors")
    lost = 0
    for place in range(len(data)):
        folder.fs.pipe_file(
            folder.object_path("evaluate/0123.safetensors"),
            data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :],
        )
        found = kept_in(folder).load(())
        lost += found is None
        assert found is None or (same(found[0], tensors) and found[1] == notes)
    assert lost > len(data) - 20


@pytest.mark.parametrize("length", [0, 1, 8, 40, -1])
def test_a_file_that_was_cut_counts_for_nothing(folder, length):
    kept_in(folder).save({"count": torch.tensor(1)}, {"a": 1})
    data = folder.read("evaluate/0123.safetensors")
    folder.write("evaluate/0123.safetensors", data[:length])
    assert kept_in(folder).load(()) is None


@pytest.mark.parametrize("text", [b"{}", b"[1]", b"null", b'{"layout": 1, "seen": "this run", "notes": {}}', b"\xff"])
def test_a_file_of_somebody_elses_counts_for_nothing(folder, text):
    data = save({"count": torch.tensor(1), "notes": torch.tensor(list(text), dtype=torch.uint8)})
    folder.write("evaluate/0123.safetensors", data)
    assert kept_in(folder).load(()) is None
