"""A victim's run that is killed and started again, as an evaluation does it: the same row, and no epoch twice."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from infra import progress
from infra.storage import Folder
from schemas.countermeasures import Grayscale, Mixup
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig, VictimRun
from schemas.recipe import TinyRecipe
from schemas.victims import TinyVictim
from tasks.evaluate import sets, stage
from tasks.evaluate.cells import cells
from tasks.evaluate.kept import KeptRun
from tasks.evaluate.stage import train_victim
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all, value_of

EPOCHS = 4
ROOT = Path(__file__).parents[3]


class KilledError(Exception):
    """The end of a process, as far as a run can tell."""


class Watch:
    """Hears of every epoch, and ends the run at one of them."""

    def __init__(self, at=None):
        self.heard, self._at = [], at

    def start(self, stage, total, unit):
        pass

    def finish(self, stage):
        pass

    def say(self, text):
        pass

    def advance(self, stage, done, note, images):
        self.heard.append((done, note))
        if len(self.heard) == self._at:
            raise KilledError


@pytest.fixture(autouse=True)
def nothing_kept():
    sets.forget()


@pytest.fixture(autouse=True)
def every_epoch_is_kept(monkeypatch):
    monkeypatch.setattr(stage, "KeptRun", partial(KeptRun, every=0))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("resume")
    protect_all(config_of(root, folder_source(root / "in", per_class=24)))
    return root


def config_for(place, workspace, **fields):
    spec = SourceSpec(url=str(place / "in"))
    recipe = TinyRecipe(epochs=EPOCHS, batch_size=16, crop_padding=1, flip=True)
    given = {
        "protected": (str(place / "out"),),
        "clean": spec,
        "test": spec,
        "workspace": str(workspace),
        "victims": (TinyVictim(widths=(4, 8, 8, 8), recipe=recipe),),
        "seeds": 1,
        "device": "cpu",
    }
    return EvaluateConfig(**{**given, **fields})


def train(config, at=None):
    """The run on the copy, killed at an epoch if asked, and what was heard of it."""
    watch = Watch(at)
    with progress.heard_by(watch):
        run = value_of(train_victim.fn(cells(config)[-1], config))
    return run, watch.heard


def row(run):
    """All that a row says but the time that its run took."""
    return run.model_copy(update={"seconds": 0.0})


def kept(config):
    return [name for name in Folder(config.workspace).list() if name.endswith(".safetensors")]


CASES = {
    "resident": {},
    "streamed": {"memory": "streamed"},
    "treated": {"countermeasures": (Grayscale(),)},
    "mixed": {"countermeasures": (Mixup(),)},
}


@pytest.mark.parametrize("case", CASES)
def test_killed_after_any_epoch_it_comes_to_the_same_row(place, tmp_path, case):
    whole = config_for(place, tmp_path / "whole", **CASES[case])
    expected, heard = train(whole)
    assert len(expected.curve) == EPOCHS
    assert len(heard) == EPOCHS + 1
    assert kept(whole) == []
    for at in range(1, EPOCHS + 1):
        config = config_for(place, tmp_path / str(at), **CASES[case])
        with pytest.raises(KilledError):
            train(config, at)
        assert len(kept(config)) == (at > 1)  # it ends as it tells of an epoch, before that is kept
        run, heard = train(config)
        assert row(run) == row(expected)
        assert len(heard) == EPOCHS - (at - 1) + 1
        assert sum(done for done, _ in heard) == EPOCHS
        assert kept(config) == []
        again, heard = train(config)
        assert again == run
        assert heard == [(EPOCHS, "done already")]


def killed(place, workspace, **fields):
    config = config_for(place, workspace, **fields)
    with pytest.raises(KilledError):
        train(config, 3)
    (name,) = kept(config)
    return config, name


@pytest.mark.parametrize("damage", ["cut", "empty", "a bit", "another kind"])
def test_a_damaged_state_counts_for_nothing(place, tmp_path, damage):
    expected, _ = train(config_for(place, tmp_path / "whole"))
    config, name = killed(place, tmp_path / "killed")
    folder = Folder(config.workspace)
    data = folder.read(name)
    bit = data[:-50] + bytes([data[-50] ^ 1]) + data[-49:]
    folder.write(
        name, {"cut": data[: len(data) // 2], "empty": b"", "a bit": bit, "another kind": b"\x80\x04."}[damage]
    )
    run, heard = train(config)
    assert row(run) == row(expected)
    assert len(heard) == EPOCHS + 1


def test_a_state_of_another_run_counts_for_nothing_under_whatever_name(place, tmp_path):
    """Of other data, and of another recipe: each put where this run's state would lie."""
    expected, _ = train(config_for(place, tmp_path / "whole"))
    config, name = killed(place, tmp_path / "this")
    wilder = TinyVictim(widths=(4, 8, 8, 8), recipe=TinyRecipe(epochs=EPOCHS, batch_size=16, lr=0.2))
    others = {"treated": {"countermeasures": (Grayscale(),)}, "recipe": {"victims": (wilder,)}}
    for number, fields in enumerate(others.values()):
        other, its = killed(place, tmp_path / f"other{number}", **fields)
        assert its != name
        Folder(config.workspace).write(name, Folder(other.workspace).read(its))
        run, heard = train(config)
        assert row(run) == row(expected)
        assert len(heard) == EPOCHS + 1
        for file in Folder(config.workspace).list():
            Folder(config.workspace).delete(file)


def test_streamed_and_loaded_runs_are_not_taken_for_each_other(place, tmp_path):
    loaded, _ = train(config_for(place, tmp_path))
    streamed, heard = train(config_for(place, tmp_path, memory="streamed"))
    assert len(heard) == EPOCHS + 1
    assert loaded.inputs != streamed.inputs
    assert (loaded.samples, loaded.classes) == (streamed.samples, streamed.classes)


SCRIPT = """
import os, signal, sys
from functools import partial
import torch
torch.set_num_threads(1)
from infra import progress
from schemas.evaluate import EvaluateConfig
from tasks.evaluate import stage
from tasks.evaluate.cells import cells
from tasks.evaluate.kept import KeptRun
from tests.tasks.evaluate.test_resume_run import Watch

class Deadly(Watch):
    def advance(self, stage, done, note, images):
        super().advance(stage, done, note, images)
        if len(self.heard) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

config = EvaluateConfig.model_validate_json(sys.argv[1])
stage.KeptRun = partial(KeptRun, every=0)
with progress.heard_by(Deadly()):
    stage.train_victim.fn(cells(config)[-1], config)
"""


def test_a_process_that_was_killed_outright_is_gone_on_with(place, tmp_path):
    expected, _ = train(config_for(place, tmp_path / "whole"))
    config = config_for(place, tmp_path / "killed")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, config.model_dump_json()],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(kept(config)) == 1
    run, heard = train(config)
    assert row(run) == row(expected)
    assert len(heard) == EPOCHS - 2 + 1


def test_a_run_that_fell_apart_is_recorded_and_found_again(place, tmp_path):
    wild = TinyVictim(widths=(4, 8, 8, 8), recipe=TinyRecipe(epochs=EPOCHS, batch_size=16, lr=1e30))
    config = config_for(place, tmp_path, victims=(wild,))
    run, heard = train(config)
    assert run.diverged
    assert len(run.curve) < EPOCHS
    assert sum(done for done, _ in heard) == EPOCHS
    assert kept(config) == []
    (name,) = Folder(config.workspace).list()
    assert Folder(config.workspace).load(name, VictimRun).diverged
    assert train(config)[1] == [(EPOCHS, "done already")]


def test_a_state_left_behind_by_a_run_that_is_done_is_removed(place, tmp_path, monkeypatch):
    """It was killed between saving its record and removing its state."""
    config = config_for(place, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(KeptRun, "clear", lambda self: None)
        expected, _ = train(config)
    assert len(kept(config)) == 1
    assert train(config)[0] == expected
    assert kept(config) == []
