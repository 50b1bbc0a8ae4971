"""Run it again: what is done is not done twice, and what changed redoes exactly what depends on it."""

from pathlib import Path

import pytest

from flows.protect import protect
from flows.status import look
from infra.errors import DataError
from infra.storage import Folder
from schemas.coverage import Coverage
from schemas.noise import NoiseBudget
from tasks.noise import stage as noise_stage
from tasks.rewrite import shard as shards
from tasks.rewrite import stage
from tasks.rewrite.audit import audit
from tasks.shard import stage as shard_stage
from tests.tasks.rewrite.helpers import (
    CLASS_WISE,
    TWO_PHASE,
    config_of,
    files,
    folder_source,
    protect_all,
    shards_of,
    tar_source,
)

pytestmark = pytest.mark.usefixtures("prefect_server")
ONE = "train-000001.tar"


def times(place):
    """Every file of a folder with its time and its inode: equal when nothing was written."""
    return {p.name: (p.stat().st_mtime_ns, p.stat().st_ino) for p in sorted(Path(place).iterdir())}


@pytest.fixture
def work(monkeypatch):
    """What was really done: names of indexed and rewritten shards, and one entry a fit."""
    done = {"index": [], "fit": [], "rewrite": []}
    rewrite, make_index, fit = shards.rewrite, shard_stage.index.make_index, noise_stage.methods.fit
    monkeypatch.setattr(stage.shards, "rewrite", lambda job, s, n: done["rewrite"].append(s.name) or rewrite(job, s, n))
    monkeypatch.setattr(
        shard_stage.index, "make_index", lambda spec, u, *a: done["index"].append(u.name) or make_index(spec, u, *a)
    )
    monkeypatch.setattr(
        noise_stage.methods, "fit", lambda spec, *a: done["fit"].append(spec.method.form) or fit(spec, *a)
    )
    return done


@pytest.fixture
def job(tmp_path, work):
    """A finished job over tar shards; the counts of its work are back at nothing."""
    config = config_of(tmp_path, tar_source(tmp_path / "in"), TWO_PHASE)
    protect_all(config)
    assert {name: len(done) for name, done in work.items()} == {"index": 3, "fit": 1, "rewrite": 3}
    for done in work.values():
        done.clear()
    return config


def test_a_second_run_does_nothing_and_touches_nothing(job, work, states):
    before, bytes_before = times(job.destination), files(job.destination)
    summary = protect(job)
    assert summary.skipped_shards == summary.shards == 3
    assert work == {"index": [], "fit": [], "rewrite": []}
    assert states == {"shards": ["Cached"] * 6}
    assert times(job.destination) == before
    assert files(job.destination) == bytes_before


@pytest.mark.parametrize("what", ["shard", "bytes", "length", "marker", "manifest"])
def test_what_is_lost_or_damaged_is_done_again_and_nothing_else(job, work, what):
    before, shard = files(job.destination), Path(job.destination) / ONE
    if what == "shard":
        shard.unlink()
    elif what == "bytes":
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 255
        shard.write_bytes(bytes(data))
    elif what == "length":
        shard.write_bytes(shard.read_bytes()[:-512])
    elif what == "marker":
        (Path(job.workspace) / "rewrite" / f"{ONE}.json").unlink()
    else:
        (Path(job.destination) / "manifest.json").unlink()
    summary = protect(job)
    redone = [] if what == "manifest" else [ONE]
    assert work == {"index": [], "fit": [], "rewrite": redone}
    assert summary.skipped_shards == 3 - len(redone)
    assert files(job.destination) == before


def test_an_indexed_shard_that_is_damaged_in_the_workspace_is_indexed_again(tmp_path, work):
    config = config_of(tmp_path, folder_source(tmp_path / "in"))
    protect(config)
    shard, marker = (Path(config.workspace) / name for name in (f"dataset/shards/{ONE}", f"rewrite/{ONE}.json"))
    before, data = files(config.destination), bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 255
    shard.write_bytes(bytes(data))
    marker.unlink()
    work["index"].clear()
    protect(config)
    assert work["index"] == [ONE]
    assert files(config.destination) == before


def test_another_budget_redoes_the_noise_and_all_shards_but_no_indexing(job, work):
    wider = job.model_copy(update={"budget": NoiseBudget(epsilon=16)})
    summary = protect(wider)
    assert (summary.skipped_shards, summary.max_abs_change) == (0, 16)
    assert (work["index"], len(work["fit"]), sorted(work["rewrite"])) == (
        [],
        1,
        [f"train-{i:06d}.tar" for i in range(3)],
    )
    assert audit(Folder(job.destination), job.source).problems == []
    assert protect(wider).skipped_shards == 3


def test_going_back_to_an_earlier_budget_keeps_its_noise(job, work):
    before = files(job.destination)
    protect(job.model_copy(update={"budget": NoiseBudget(epsilon=16)}))
    work["fit"].clear()
    assert protect(job).skipped_shards == 0
    assert work["fit"] == []
    assert files(job.destination) == before


def test_a_new_shard_of_the_source_costs_one_shard_and_keeps_the_noise(job, work):
    tar_source(Path(job.source.url), shards=1, first=3)
    before = times(job.destination)
    summary = protect(job)
    assert (summary.shards, summary.skipped_shards, summary.samples) == (4, 3, 16)
    assert work == {"index": ["train-000003.tar"], "fit": [], "rewrite": ["train-000003.tar"]}
    after = times(job.destination)
    assert all(after[name] == before[name] for name in before if name.endswith(".tar"))
    assert audit(Folder(job.destination), job.source).problems == []


def test_a_changed_shard_of_the_source_costs_one_shard(job, work):
    tar_source(Path(job.source.url), shards=1, per_shard=5, first=1)
    summary = protect(job)
    assert (summary.shards, summary.skipped_shards, summary.samples) == (3, 2, 13)
    assert work == {"index": [ONE], "fit": [], "rewrite": [ONE]}
    assert audit(Folder(job.destination), job.source).problems == []


def test_a_source_that_shrinks_redoes_nothing_and_says_what_became_of_the_copy(job, work):
    (Path(job.source.url) / ONE).unlink()
    summary = protect(job)
    assert (summary.shards, summary.skipped_shards) == (3, 2)
    assert (summary.orphans_kept, summary.orphans_removed) == ((ONE,), ())
    status = look(Folder(job.workspace))
    assert (status.published, status.samples, status.rewritten_shards, status.protected) == (True, 8, 2, 8)
    assert status.orphans == (ONE,)

    summary = protect(job.model_copy(update={"orphans": "remove"}))
    assert (summary.shards, summary.orphans_kept, summary.orphans_removed) == (2, (), (ONE,))
    assert look(Folder(job.workspace)).orphans == ()
    assert work == {"index": [], "fit": [], "rewrite": []}


@pytest.mark.parametrize(
    ("stage", "index", "fit"), [("shard", 3, 1), ("match", 0, 1), ("noise", 0, 1), ("rewrite", 0, 0)]
)
def test_a_stage_and_all_after_it_can_be_done_again_and_give_the_same_bytes(job, work, stage, index, fit):
    before = files(job.destination)
    protect(job, redo=stage)
    assert {name: len(done) for name, done in work.items()} == {"index": index, "fit": fit, "rewrite": 3}
    assert files(job.destination) == before


def test_another_coverage_keeps_the_noise(job, work):
    summary = protect(job.model_copy(update={"coverage": Coverage(classes=("1",))}))
    assert (summary.skipped_shards, summary.protected) == (0, 6)
    assert (work["index"], work["fit"], len(work["rewrite"])) == ([], [], 3)


def test_class_wise_noise_is_kept_for_new_shards_too(tmp_path, work):
    config = config_of(tmp_path, tar_source(tmp_path / "in"), CLASS_WISE)
    protect(config)
    tar_source(tmp_path / "in", shards=1, first=3)
    work["fit"].clear()
    assert protect(config).skipped_shards == 3
    assert work["fit"] == []


def test_other_workers_and_another_device_name_redo_nothing(job, work):
    summary = protect(job.model_copy(update={"workers": 5, "device": "auto"}))
    assert summary.skipped_shards == 3
    assert work == {"index": [], "fit": [], "rewrite": []}


def test_another_key_redoes_noise_and_shards(job, work):
    before = shards_of(job.destination)
    Path(job.key_file).write_text("quite another key")
    assert protect(job).skipped_shards == 0
    assert (work["index"], len(work["fit"]), len(work["rewrite"])) == ([], 1, 3)
    assert all(before[name] != data for name, data in shards_of(job.destination).items())


class TestInterrupted:
    """A run that dies in the middle leaves nothing that looks finished, and the next one goes on from there."""

    def die(self, config, monkeypatch, work, error):
        rewrite, calls = stage.shards.rewrite, []

        def mortal(job, shard, noise):
            calls.append(shard.name)
            if len(calls) == 2:
                raise error
            return rewrite(job, shard, noise)

        with monkeypatch.context() as patch:
            patch.setattr(stage.shards, "rewrite", mortal)
            with pytest.raises(type(error)) as caught:
                protect(config)
        for done in work.values():
            done.clear()
        return calls[1], str(caught.value)

    @pytest.fixture
    def whole(self, tmp_path):
        """What an unbroken run gives."""
        config = config_of(tmp_path / "whole", tar_source(tmp_path / "in"), TWO_PHASE)
        protect_all(config)
        return shards_of(config.destination)

    def test_a_first_run_that_dies_leaves_no_manifest_and_is_finished_by_the_next(
        self, tmp_path, work, monkeypatch, whole
    ):
        config = config_of(tmp_path, tmp_path / "in", TWO_PHASE, workers=1)
        lost, message = self.die(config, monkeypatch, work, DataError(f"shard {ONE} went wrong", "mend it"))
        assert lost in message
        left = files(config.destination)
        assert "manifest.json" not in left
        assert lost not in left
        assert not look(Folder(config.workspace)).published
        with pytest.raises(DataError, match=r"has no manifest\.json.*run protect again"):
            audit(Folder(config.destination), config.source)
        summary = protect(config)
        assert (summary.shards, summary.skipped_shards) == (3, 2)
        assert work == {"index": [], "fit": [], "rewrite": [lost]}
        assert shards_of(config.destination) == whole
        assert audit(Folder(config.destination), config.source).problems == []

    def test_a_later_run_that_dies_takes_the_old_manifest_away(self, tmp_path, work, monkeypatch, whole):
        config = config_of(tmp_path, tmp_path / "in", TWO_PHASE, workers=1)
        protect(config)
        wider = config.model_copy(update={"budget": NoiseBudget(epsilon=16)})
        self.die(wider, monkeypatch, work, DataError(f"shard {ONE} went wrong", "mend it"))
        assert "manifest.json" not in files(config.destination)
        assert protect(wider).skipped_shards == 2
        assert audit(Folder(config.destination), config.source).max_abs_change == 16
        protect(config)
        assert shards_of(config.destination) == whole
