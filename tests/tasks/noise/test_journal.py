"""A journal in a folder: tensors and notes come back as they were, or not at all."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from infra.storage import Folder
from tasks.noise.fitted import Round
from tasks.noise.journal import Unkept
from tasks.noise.store import StoredJournal

ONE = Round(1, 0.5, 1.5, 0.1, 12)
TENSORS = {"model.weight": torch.arange(6.0).view(2, 3), "noise": torch.tensor([-8, 8], dtype=torch.int8)}
NOTES = st.dictionaries(
    st.text(min_size=1, max_size=5),
    st.none() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=5) | st.lists(st.integers(0, 9)),
    max_size=4,
)


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path / "noise" / "0123"))


def journal_in(folder, told=None, seen="the data of the day"):
    return StoredJournal(folder, (told if told is not None else []).append, seen)


@settings(deadline=None, max_examples=30)
@given(notes=NOTES)
def test_a_state_comes_back_as_it_was(tmp_path_factory, notes):
    folder = Folder(str(tmp_path_factory.mktemp("journal")))
    journal_in(folder).save(TENSORS, notes)
    tensors, found = journal_in(folder).load(())
    assert found == notes
    assert tensors.keys() == TENSORS.keys()
    assert all(
        torch.equal(tensors[name], TENSORS[name]) and tensors[name].dtype == TENSORS[name].dtype for name in TENSORS
    )


def test_a_loss_that_is_no_number_comes_back(folder):
    journal_in(folder).save(TENSORS, {"losses": [math.nan, math.inf]})
    _, notes = journal_in(folder).load(())
    assert math.isnan(notes["losses"][0])
    assert notes["losses"][1] == math.inf


def test_a_later_state_replaces_the_one_before(folder):
    journal = journal_in(folder)
    for count in (1, 2, 3):
        journal.save({"noise": torch.full((4,), count)}, {"count": count})
    tensors, notes = journal.load(())
    assert (tensors["noise"].tolist(), notes) == ([3] * 4, {"count": 3})
    assert list(folder.list()) == ["checkpoint.safetensors"]


def test_there_is_nothing_in_an_empty_folder(folder):
    journal = journal_in(folder)
    assert journal.load(()) is None
    assert not journal.went_on()
    journal.clear()


def test_it_hears_of_each_round(folder):
    told = []
    journal = journal_in(folder, told)
    journal.heard(ONE)
    journal.chapter("0").heard(ONE)
    assert told == [ONE, ONE]
    assert not folder.list()


def test_chapters_are_kept_apart_and_cleared_together(folder):
    journal = journal_in(folder)
    one, two = journal.chapter("0"), journal.chapter("1")
    one.save(TENSORS, {"name": "0"})
    two.chapter("deep").save(TENSORS, {"name": "deep"})
    assert journal.load(()) is None
    assert two.load(()) is None
    assert journal_in(folder).chapter("0").load(())[1] == {"name": "0"}
    assert len(folder.list()) == 2
    journal.clear()
    assert not folder.list()


def test_it_went_on_only_when_a_state_was_there(folder):
    journal_in(folder).chapter("1").save(TENSORS, {})
    journal = journal_in(folder)
    empty, full = journal.chapter("0"), journal.chapter("1")
    empty.load(())
    assert not journal.went_on()
    full.load(())
    assert journal.went_on()
    assert not empty.went_on()


@pytest.mark.parametrize("length", [0, 1, 7, 40, -1])
def test_a_file_that_was_cut_counts_for_nothing(folder, length):
    journal_in(folder).save(TENSORS, {"a": 1})
    data = folder.read("checkpoint.safetensors")
    folder.write("checkpoint.safetensors", data[:length])
    journal = journal_in(folder)
    assert journal.load(()) is None
    assert not journal.went_on()


def test_a_file_of_which_a_single_bit_changed_counts_for_nothing(folder):
    journal_in(folder).save(TENSORS, {"a": 1})
    data = bytearray(folder.read("checkpoint.safetensors"))
    data[data.index(TENSORS["model.weight"].numpy().tobytes()) + 7] ^= 1
    folder.write("checkpoint.safetensors", bytes(data))
    assert journal_in(folder).load(()) is None


def test_tensors_without_notes_count_for_nothing(folder):
    folder.write("checkpoint.safetensors", save(TENSORS))
    assert journal_in(folder).load(()) is None


def test_a_state_of_other_data_counts_for_nothing_and_is_replaced(folder):
    yesterday, today = journal_in(folder, seen="yesterday's"), journal_in(folder, seen="today's")
    for journal in (yesterday, yesterday.chapter("0")):
        journal.save(TENSORS, {"day": 1})
    for journal in (today, today.chapter("0"), today.chapter("0").chapter("deep")):
        assert journal.load(()) is None
    assert not today.went_on()
    today.chapter("0").save(TENSORS, {"day": 2})
    assert journal_in(folder, seen="today's").chapter("0").load(())[1] == {"day": 2}
    assert yesterday.chapter("0").load(()) is None


def test_a_state_without_all_tensors_that_are_needed_counts_for_nothing(folder):
    journal_in(folder).save(TENSORS, {})
    journal = journal_in(folder)
    assert journal.load([*TENSORS, "momentum.0"]) is None
    assert not journal.went_on()
    assert journal.load(["noise"])[0].keys() == TENSORS.keys()


@pytest.mark.parametrize(
    "notes",
    [
        {"rounds": [], "kept": None},
        {"seen": "the data of the day", "notes": {}},
        {"layout": 0, "seen": "the data of the day", "notes": {}},
        [1],
        None,
        "text",
    ],
)
def test_a_state_of_a_foreign_layout_counts_for_nothing(folder, notes):
    text = torch.tensor(list(json.dumps(notes).encode()), dtype=torch.uint8)
    folder.write("checkpoint.safetensors", save({**TENSORS, "notes": text}))
    assert journal_in(folder).load(()) is None


def test_a_journal_that_keeps_nothing_keeps_nothing():
    journal = Unkept()
    journal.save(TENSORS, {})
    journal.heard(ONE)
    assert journal.load(()) is None
    assert journal.chapter("0").load(()) is None
