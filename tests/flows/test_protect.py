"""The protect flow: one run from a source to a destination, and how it fails."""

import time

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId
from prefect.states import StateType

from flows.protect import protect
from infra.errors import DataError, StorageError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from tasks.rewrite import shard as shards
from tasks.rewrite import stage
from tasks.rewrite.audit import audit
from tests.tasks.rewrite.helpers import TWO_PHASE, config_of, files, folder_source, protect_all, shards_of, tar_source

pytestmark = pytest.mark.usefixtures("prefect_server")


def failing(monkeypatch, error, when=lambda shard: True, times=10**9):
    """Let shards.rewrite raise; gives the list of shards for which it did."""
    raised, rewrite = [], shards.rewrite

    def fail(job, shard, noise):
        if when(shard) and len(raised) < times:
            raised.append(shard.name)
            raise error
        return rewrite(job, shard, noise)

    monkeypatch.setattr(stage.shards, "rewrite", fail)
    return raised


def test_a_run_gives_its_numbers_and_a_destination_that_passes_its_audit(tmp_path):
    source = folder_source(tmp_path / "in", per_class=10)
    (source / "cat" / "broken.png").write_bytes(b"no picture")
    config = config_of(tmp_path, source, TWO_PHASE)
    summary = protect(config)
    found = audit(Folder(config.destination), SourceSpec(url=str(source)))
    assert found.problems == []
    assert (summary.samples, summary.protected, summary.quarantined) == (20, 20, 1)
    assert (summary.shards, summary.skipped_shards) == (5, 0)
    assert summary.max_abs_change == found.max_abs_change == 8
    assert (summary.destination, summary.workspace) == (config.destination, config.workspace)
    assert (tmp_path / "private" / "noise" / summary.noise / "record.json").exists()
    assert summary.noise_error is not None


def test_the_flow_gives_the_same_bytes_as_its_tasks_do_by_themselves_with_one_and_with_three_workers(tmp_path):
    source = SourceSpec(url="digits", limit=28, shard_size=7)
    plain = config_of(tmp_path / "plain", source, TWO_PHASE)
    protect_all(plain)
    for workers in (1, 3):
        config = config_of(tmp_path / str(workers), source, TWO_PHASE, workers=workers)
        assert protect(config).shards == 4
        assert shards_of(config.destination) == shards_of(plain.destination)


def test_parameters_may_come_as_plain_values_as_a_deployment_gives_them(tmp_path):
    config = config_of(tmp_path, folder_source(tmp_path / "in"))
    assert protect(config.model_dump(mode="json")).shards == 3


def test_a_failed_shard_fails_the_flow_and_is_named(tmp_path, monkeypatch):
    config = config_of(tmp_path, tar_source(tmp_path / "in"))
    failing(monkeypatch, DataError("shard train-000001.tar is odd", "mend it"), lambda s: s.name == "train-000001.tar")
    state = protect(config, return_state=True)
    assert state.type == StateType.FAILED
    assert "shard train-000001.tar is odd; mend it" in state.message
    assert sorted(files(config.destination)) == ["train-000000.tar", "train-000002.tar"]


def test_several_failed_shards_are_counted_and_named(tmp_path, monkeypatch):
    config = config_of(tmp_path, tar_source(tmp_path / "in"))
    rewrite = shards.rewrite

    def fail(job, shard, noise):
        if shard.name != "train-000001.tar":
            raise DataError(f"shard {shard.name} is odd", "mend it")
        return rewrite(job, shard, noise)

    monkeypatch.setattr(stage.shards, "rewrite", fail)
    state = protect(config, return_state=True)
    assert state.type == StateType.FAILED
    for text in ("2/3 shards failed", "shard train-000000.tar is odd", "shard train-000002.tar is odd", "mend it"):
        assert text in state.message


def test_an_unforeseen_error_in_one_shard_fails_the_flow_with_a_count(tmp_path, monkeypatch):
    config = config_of(tmp_path, tar_source(tmp_path / "in"))
    failing(monkeypatch, ZeroDivisionError("by zero"), lambda s: s.name == "train-000001.tar")
    with pytest.raises(DataError, match=r"1/3 shards failed: by zero"):
        protect(config)


def test_a_failed_flow_is_failed_on_the_server_too(tmp_path, monkeypatch):
    config = config_of(tmp_path, tar_source(tmp_path / "in", shards=1))
    failing(monkeypatch, DataError("shard is odd", "mend it"))
    state = protect(config, return_state=True)
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
    assert run.state.type == StateType.FAILED
    assert "shard is odd" in run.state.message


def test_a_done_shard_shows_as_cached_on_the_server(tmp_path):
    config = config_of(tmp_path, tar_source(tmp_path / "in"))
    protect(config)
    flow_run = protect(config, return_state=True).state_details.flow_run_id
    of_this_run = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[flow_run]))
    names, deadline = {}, time.monotonic() + 30  # the server hears of task runs a little later
    while time.monotonic() < deadline and len(names) < 3:
        with get_client(sync_client=True) as client:
            runs = client.read_task_runs(task_run_filter=of_this_run)
        names = {r.name: r.state.name for r in runs if r.name.startswith("rewrite ") and r.state and r.state.is_final()}
        time.sleep(0.2)
    assert names == {f"rewrite train-{i:06d}.tar": "Cached" for i in range(3)}


class TestTryingAgain:
    def test_a_storage_error_that_may_pass_is_tried_again(self, tmp_path, monkeypatch):
        config = config_of(tmp_path, tar_source(tmp_path / "in"))
        error = StorageError("can't write: connection reset", "check the place", transient=True)
        raised = failing(monkeypatch, error, lambda s: s.name == "train-000001.tar", times=2)
        assert protect(config).shards == 3
        assert raised == ["train-000001.tar"] * 2
        assert audit(Folder(config.destination), config.source).problems == []

    def test_it_is_given_up_after_three_more_tries(self, tmp_path, monkeypatch):
        config = config_of(tmp_path, tar_source(tmp_path / "in"))
        error = StorageError("can't write: connection reset", "check the place", transient=True)
        raised = failing(monkeypatch, error, lambda s: s.name == "train-000001.tar")
        with pytest.raises(StorageError, match="connection reset"):
            protect(config)
        assert len(raised) == 4

    def test_a_busy_disk_is_tried_again_and_a_forbidden_one_is_not(self, tmp_path, monkeypatch):
        config = config_of(tmp_path, tar_source(tmp_path / "in"))
        from infra import disk

        write, calls = disk.write, []

        def moody(target, data, mode):
            if target.name == "train-000001.tar":
                calls.append(target.name)
                if len(calls) < 3:
                    raise OSError(16, "Device or resource busy")
            write(target, data, mode)

        monkeypatch.setattr(disk, "write", moody)
        assert protect(config).shards == 3
        assert len(calls) == 3

        calls.clear()
        other = config_of(tmp_path / "other", tmp_path / "in")

        def forbidden(target, data, mode):
            if target.name == "train-000001.tar":
                calls.append(target.name)
                raise PermissionError(13, "Permission denied")
            write(target, data, mode)

        monkeypatch.setattr(disk, "write", forbidden)
        with pytest.raises(StorageError, match=r"train-000001\.tar: no permission"):
            protect(other)
        assert len(calls) == 1

    def test_an_error_in_the_data_is_not_tried_again(self, tmp_path, monkeypatch):
        config = config_of(tmp_path, tar_source(tmp_path / "in"))
        raised = failing(monkeypatch, DataError("odd", "mend it"))
        with pytest.raises(DataError, match="3/3 shards failed"):
            protect(config)
        assert sorted(raised) == [f"train-{i:06d}.tar" for i in range(3)]
