"""A fit that is killed after any round and started again gives the very bytes of one that was not."""

from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save

from infra.storage import Folder
from schemas.noise import ErrorMaximizing, ErrorMinimizing, ErrorMinimizingLBFGS
from tasks.nn.train import Training
from tasks.noise.journal import Unkept
from tasks.noise.store import StoredJournal
from tests.tasks.noise.helpers import FAST, LBFGS, MAXIMIZING, fit, fit_data, spec_of

ROUNDS = 3
LONGER = {"max_rounds": ROUNDS, "subset": 0.5}
FITS = {
    "class-wise": spec_of(ErrorMinimizing(form="class-wise", **{**FAST, **LONGER})),
    "class-wise patch": spec_of(ErrorMinimizing(form="class-wise", **{**FAST, **LONGER}), patch=3),
    "two-phase": spec_of(ErrorMinimizing(procedure="two-phase", **{**FAST, **LONGER})),
    "joint": spec_of(ErrorMinimizing(procedure="joint", **{**FAST, **LONGER})),
    "joint l2 patch": spec_of(ErrorMinimizing(procedure="joint", **{**FAST, **LONGER}), 60, "l2", patch=3),
    "two sets": spec_of(ErrorMinimizing(form="class-wise", **{**FAST, **LONGER}), mixture="two-sets"),
    "lbfgs class-wise": spec_of(ErrorMinimizingLBFGS(form="class-wise", **{**LBFGS, **LONGER})),
    "lbfgs two-phase": spec_of(ErrorMinimizingLBFGS(procedure="two-phase", **{**LBFGS, **LONGER})),
    "lbfgs joint": spec_of(ErrorMinimizingLBFGS(procedure="joint", **{**LBFGS, **LONGER})),
    "maximizing class-wise": spec_of(ErrorMaximizing(form="class-wise", **{**MAXIMIZING, **LONGER})),
    "maximizing two sets": spec_of(ErrorMaximizing(form="class-wise", **{**MAXIMIZING, **LONGER}), mixture="two-sets"),
    "maximizing sample-wise": spec_of(ErrorMaximizing(form="sample-wise", **MAXIMIZING)),
}
WHOLE = {}
SEEN = "the data of the day"


def words(name):
    """How often a fit tells of a round, and how often it saves: error-maximizing ones save their source model too."""
    told = 1 if name == "maximizing sample-wise" else 2 * ROUNDS if "two sets" in name else ROUNDS
    saved = 1 if name == "maximizing sample-wise" else told + ("maximizing" in name)
    return {"heard": told, "before the write": saved, "after the write": saved}


WORDS = {name: words(name) for name in FITS}


class KilledError(Exception):
    """The end of a process, as far as a fit can tell."""


class Mortal(StoredJournal):
    """A stored journal that ends the fit at its n-th save (before or after the write) or word."""

    def __init__(self, folder, at, when, name="checkpoint", counts=None):
        super().__init__(folder, lambda one: self._count("heard"), SEEN, name)
        self._folder, self._at, self._when = folder, at, when
        self._counts = {} if counts is None else counts

    def _count(self, what):
        self._counts[what] = self._counts.get(what, 0) + 1
        if what == self._when and self._counts[what] == self._at:
            raise KilledError

    def save(self, tensors, notes):
        self._count("before the write")
        super().save(tensors, notes)
        self._count("after the write")

    def chapter(self, name):
        part = Mortal(self._folder, self._at, self._when, f"{self._name}-{name}", self._counts)
        self._chapters.append(part)
        return part


def quiet(folder, seen=SEEN):
    return StoredJournal(folder, lambda one: None, seen)


def unbroken(name):
    if name not in WHOLE:
        WHOLE[name] = fit(FITS[name], journal=Unkept())
    return WHOLE[name]


def assert_same(found, expected):
    assert found.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(found.tensors[name], expected.tensors[name]) for name in expected.tensors)
    ends = [(each.kept_round, each.stopped, each.released_error) for each in (found, expected)]
    assert ends[0] == ends[1]
    without_times = [[replace(one, seconds=0) for one in each.rounds] for each in (found, expected)]
    assert without_times[0] == without_times[1]


AT_A_WRITE = ["class-wise", "joint", "two sets", "maximizing class-wise", "maximizing sample-wise"]
DEATHS = [(name, "heard") for name in FITS]
DEATHS += [(name, when) for name in AT_A_WRITE for when in ("before the write", "after the write")]


@pytest.mark.parametrize(("name", "when"), DEATHS)
def test_killed_at_any_round_it_comes_to_the_same_end(tmp_path, name, when):
    for at in range(1, WORDS[name][when] + 1):
        folder = Folder(str(tmp_path / str(at)))
        with pytest.raises(KilledError):
            fit(FITS[name], journal=Mortal(folder, at, when))
        journal = quiet(folder)
        assert_same(fit(FITS[name], journal=journal), unbroken(name))
        assert journal.went_on() == (when != "before the write" or at > 1)


@pytest.mark.parametrize("name", ["two-phase", "two sets", "maximizing class-wise"])
def test_killed_again_and_again_it_comes_to_the_same_end(tmp_path, name):
    folder = Folder(str(tmp_path))
    lives = 0
    for _ in range(20):
        with suppress(KilledError):
            found = fit(FITS[name], journal=Mortal(folder, 1, "after the write"))
            break
        lives += 1
    assert lives >= ROUNDS
    assert_same(found, unbroken(name))


def test_rounds_that_are_done_are_not_done_again(tmp_path):
    folder = Folder(str(tmp_path))
    with suppress(KilledError):
        fit(FITS["joint"], journal=Mortal(folder, 2, "heard"))
    told = []
    fit(FITS["joint"], journal=StoredJournal(folder, lambda one: told.append(one.round), SEEN))
    assert told == [3]


def test_a_source_model_is_not_trained_twice(tmp_path, monkeypatch):
    folder = Folder(str(tmp_path))
    with suppress(KilledError):
        fit(FITS["maximizing class-wise"], journal=Mortal(folder, 1, "heard"))
    monkeypatch.setattr(Training, "epochs", lambda *_: pytest.fail("it was trained again"))
    assert_same(fit(FITS["maximizing class-wise"], journal=quiet(folder)), unbroken("maximizing class-wise"))


@pytest.mark.parametrize("name", ["joint", "two sets", "maximizing class-wise", "maximizing sample-wise"])
@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "another kind"])
def test_a_damaged_checkpoint_counts_for_nothing(tmp_path, name, damage):
    folder = Folder(str(tmp_path))
    with suppress(KilledError):
        fit(FITS[name], journal=Mortal(folder, 1, "after the write"))
    (kept,) = folder.list()
    data = folder.read(kept)
    damaged = {"cut": data[: len(data) // 2], "empty": b"", "noise": b"\xff" * 999, "another kind": b"\x80\x04\x95."}
    folder.write(kept, damaged[damage])
    journal = quiet(folder)
    assert_same(fit(FITS[name], journal=journal), unbroken(name))
    assert not journal.went_on()


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize(("samples", "classes"), [(12, 3), (9, 3), (30, 4)])
def test_a_checkpoint_of_other_data_counts_for_nothing(tmp_path, name, samples, classes):
    folder = Folder(str(tmp_path))
    with suppress(KilledError):
        fit(FITS[name], journal=Mortal(folder, 1, "after the write"))
    data = fit_data(samples, classes, seed=1)
    journal = quiet(folder, "the data of tomorrow")
    assert_same(fit(FITS[name], data, journal), fit(FITS[name], data, Unkept()))
    assert not journal.went_on()


@pytest.mark.parametrize("name", FITS)
def test_a_checkpoint_that_lacks_a_tensor_counts_for_nothing(tmp_path, name):
    folder = Folder(str(tmp_path))
    with suppress(KilledError):
        fit(FITS[name], journal=Mortal(folder, 1, "after the write"))
    (kept,) = folder.list()
    tensors = load(folder.read(kept))
    del tensors["model.0.0.weight" if "model.0.0.weight" in tensors else "noise"]
    folder.write(kept, save(tensors))
    journal = quiet(folder)
    assert_same(fit(FITS[name], journal=journal), unbroken(name))
    assert not journal.went_on()


def test_a_checkpoint_has_the_best_rounds_noise_where_it_is_asked_for_alone(tmp_path):
    sizes = {}
    for name in ("two-phase", "joint"):
        folder = Folder(str(tmp_path / name))
        fit(FITS[name], journal=quiet(folder))
        tensors = load(folder.read("checkpoint.safetensors"))
        sizes[name] = [tensors[each].numel() for each in ("noise.noise", "kept.noise")]
    assert sizes == {"two-phase": [12 * 8 * 8 * 3, 0], "joint": [12 * 8 * 8 * 3] * 2}


@pytest.mark.parametrize("name", FITS)
def test_keeping_a_journal_changes_nothing_and_leaves_nothing(tmp_path, name):
    folder = Folder(str(tmp_path))
    folder.write("fitted.safetensors", b"not the journal's")
    journal = quiet(folder)
    assert_same(fit(FITS[name], journal=journal), unbroken(name))
    assert not journal.went_on()
    kept = [each for each in folder.list() if each.startswith("checkpoint")]
    assert kept
    journal.clear()
    assert list(folder.list()) == ["fitted.safetensors"]
