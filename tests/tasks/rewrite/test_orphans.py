"""A shard that is gone from the source: its protected copy stays or goes as the job says, and each run names it."""

import json
from pathlib import Path

import pytest

from infra.errors import StorageError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.noise import NoiseBudget
from tasks.rewrite import redo
from tasks.rewrite.audit import audit
from tests.tasks.rewrite.helpers import config_of, files, folder_source, protect_all, shards_of, tar_source

GONE = "train-000002.tar"


@pytest.fixture
def job(tmp_path):
    """A finished job over three tar shards, the last of which has since gone from the source."""
    source = tar_source(tmp_path / "in", shards=3)
    config = config_of(tmp_path, source)
    protect_all(config)
    (source / GONE).unlink()
    return config


def names_of(config, place):
    return sorted(path.name for path in (Path(config.workspace) / place).glob("*.json"))


def test_it_stays_is_named_and_the_manifest_still_states_all_that_lies_there(job):
    before = shards_of(job.destination)
    manifest = protect_all(job)
    assert shards_of(job.destination) == before
    assert manifest.orphans == (GONE,)
    assert [shard.name for shard in manifest.dataset.shards] == sorted(before)
    assert manifest.protection.protected == manifest.dataset.samples == 12
    assert all(shard.sizes is not None for shard in manifest.dataset.shards)


def test_it_is_named_by_every_run_as_long_as_it_stays(job):
    assert [protect_all(job).orphans for _ in range(3)] == [(GONE,)] * 3


def test_the_audit_says_that_it_has_no_original(job):
    protect_all(job)
    assert audit(Folder(job.destination), job.source).problems == [f"shard {GONE} has no counterpart in the source"]


def test_it_goes_when_the_job_says_so_with_its_markers_and_is_not_named_again(job):
    job = job.model_copy(update={"orphans": "remove"})
    manifest = protect_all(job)
    assert manifest.orphans == ()
    assert sorted(files(job.destination)) == ["README.md", "manifest.json", "train-000000.tar", "train-000001.tar"]
    assert names_of(job, "rewrite") == names_of(job, "dataset/index") == [f"train-00000{i}.tar.json" for i in (0, 1)]
    assert protect_all(job).orphans == ()
    assert audit(Folder(job.destination), job.source).problems == []


def test_one_whose_copy_is_damaged_is_named_with_what_mends_it(job):
    protect_all(job)
    copy = Path(job.destination) / GONE
    whole = copy.read_bytes()
    for damaged in (whole[:-512], whole[:600] + b"x" + whole[601:]):
        copy.write_bytes(damaged)
        with pytest.raises(StorageError, match=rf"{GONE} is not as it was written.* give --orphans remove"):
            protect_all(job)
    copy.write_bytes(whole)
    assert protect_all(job).orphans == (GONE,)
    copy.write_bytes(whole[:-512])
    assert protect_all(job.model_copy(update={"orphans": "remove"})).orphans == ()


def test_of_one_that_was_made_by_earlier_settings_nothing_is_claimed(job):
    protect_all(job)
    lower = job.model_copy(update={"budget": NoiseBudget(epsilon=2)})
    manifest = protect_all(lower)
    assert (manifest.orphans, manifest.outdated) == ((GONE,), (GONE,))
    assert (manifest.protection.epsilon, manifest.protection.max_abs_change) == (2, 2)
    assert f"not said of them: `{GONE}`" in files(job.destination)["README.md"].decode()
    assert protect_all(job).outdated == ()


def test_one_that_comes_back_is_an_orphan_no_more(job, tmp_path):
    protect_all(job)
    tar_source(tmp_path / "in", shards=1, first=2)
    manifest = protect_all(job)
    assert (manifest.orphans, len(manifest.dataset.shards)) == ((), 3)
    assert audit(Folder(job.destination), job.source).problems == []


def test_a_class_that_only_it_had_keeps_its_place_so_that_the_noise_stays(tmp_path):
    source = tar_source(tmp_path / "in", shards=3)
    config = config_of(tmp_path, SourceSpec(url=str(source), label_field="kind"))
    protect_all(config)
    index = Path(config.workspace) / "dataset" / "index" / f"{GONE}.json"
    record = json.loads(index.read_text())
    record["record"]["class_counts"] = {"0": 2, "2": 2}
    index.write_text(json.dumps(record))
    (source / GONE).unlink()
    assert protect_all(config).dataset.labels == ("0", "1", "2")


def test_shards_cut_from_a_tree_are_cut_anew_and_leave_nothing_behind(tmp_path):
    source = folder_source(tmp_path / "in", per_class=6)
    config = config_of(tmp_path, source)
    assert len(protect_all(config).dataset.shards) == 3
    for picture in sorted((source / "cat").glob("*.png"))[:3]:
        picture.unlink()
    manifest = protect_all(config)
    assert (manifest.orphans, manifest.dataset.samples) == ((), 9)
    assert sorted(shards_of(config.destination)) == ["train-000000.tar", "train-000001.tar"]
    assert names_of(config, "dataset/index") == names_of(config, "rewrite")
    assert sorted(shards_of(Path(config.workspace) / "dataset" / "shards")) == ["train-000000.tar", "train-000001.tar"]
    assert audit(Folder(config.destination), config.source).problems == []


def test_a_shard_that_is_only_not_asked_for_now_is_no_orphan(tmp_path):
    config = config_of(tmp_path, tar_source(tmp_path / "in", shards=3))
    protect_all(config)
    fewer = config.model_copy(update={"source": config.source.model_copy(update={"limit": 4})})
    manifest = protect_all(fewer)
    assert (manifest.orphans, manifest.dataset.samples) == ((), 4)
    assert audit(Folder(config.destination), fewer.source).problems == []


@pytest.mark.parametrize("stage", ["shard", "match", "noise", "rewrite"])
def test_it_stays_when_a_stage_is_done_again(job, stage):
    protect_all(job)
    before = shards_of(job.destination)
    redo.forget(job, stage, None)
    manifest = protect_all(job)
    assert (manifest.orphans, shards_of(job.destination)) == ((GONE,), before)


@pytest.mark.parametrize("stage", ["shard", "rewrite"])
def test_a_destination_that_is_not_published_is_still_its_jobs_own_once_a_stage_is_forgotten(job, stage):
    protect_all(job)
    (Path(job.destination) / "manifest.json").unlink()
    redo.forget(job, stage, None)
    assert protect_all(job).orphans == (GONE,)


def test_a_copy_that_somebody_removed_by_hand_is_an_orphan_no_more(job):
    protect_all(job)
    (Path(job.destination) / GONE).unlink()
    manifest = protect_all(job)
    assert (manifest.orphans, len(manifest.dataset.shards)) == ((), 2)
    assert names_of(job, "dataset/index") == [f"train-00000{i}.tar.json" for i in (0, 1)]
    assert audit(Folder(job.destination), job.source).problems == []


def test_what_a_killed_run_wrote_without_a_marker_is_removed_when_it_is_no_longer_asked_for(tmp_path):
    config = config_of(tmp_path, tar_source(tmp_path / "in", shards=3))
    fewer = config.model_copy(update={"source": config.source.model_copy(update={"limit": 4, "shard_size": 2})})
    protect_all(fewer)
    for name in ("manifest.json", "README.md"):
        (Path(config.destination) / name).unlink()
    for marker in (Path(config.workspace) / "rewrite").iterdir():
        marker.unlink()
    manifest = protect_all(config)
    assert manifest.dataset.samples == 12
    assert sorted(shards_of(config.destination)) == [f"train-{i:06d}.tar" for i in range(3)]
    assert audit(Folder(config.destination), config.source).problems == []


def test_the_manifest_goes_before_the_first_shard_that_is_removed(job, monkeypatch):
    protect_all(job)
    removed, delete = [], Folder.delete
    monkeypatch.setattr(Folder, "delete", lambda folder, name: removed.append(name) or delete(folder, name))
    protect_all(job.model_copy(update={"orphans": "remove"}))
    assert removed.index("manifest.json") < removed.index(GONE)
