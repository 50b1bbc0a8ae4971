"""A clock that jumps: what is done is told by digests, and who lives by what changes, so time says nothing."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.protect import protect
from infra.storage import Folder
from tasks.rewrite import shard as shards
from tasks.rewrite import stage
from tasks.rewrite.audit import audit
from tests.faults import tally
from tests.tasks.rewrite.helpers import TWO_PHASE, config_of, files, tar_source

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("prefect_server")]
YEAR = 365 * 24 * 3600


@pytest.fixture
def job(tmp_path):
    config = config_of(tmp_path, tar_source(tmp_path / "in"), TWO_PHASE)
    protect(config)
    return config


@pytest.mark.parametrize("jump", [-30 * YEAR, 30 * YEAR], ids=["back", "forth"])
def test_files_of_another_time_are_as_done_as_before_and_changed_ones_are_done_again(job, jump):
    before = files(job.destination)
    for place in (job.destination, job.workspace):
        for path in Path(place).rglob("*"):
            os.utime(path, (time.time() + jump, time.time() + jump))
    summary = protect(job)
    assert (summary.shards, summary.skipped_shards) == (3, 3)
    assert files(job.destination) == before
    shard = Path(job.source.url) / "train-000001.tar"
    tar_source(Path(job.source.url), shards=1, per_shard=5, first=1)
    os.utime(shard, (time.time() + jump, time.time() + jump))  # older than its marker, or from the future
    summary = protect(job)
    assert (summary.skipped_shards, summary.samples) == (2, 13)
    assert audit(Folder(job.destination), job.source).problems == []
    tally.record("files from another time", 2, "done work skipped, changed work done again")


def test_a_clock_that_jumps_during_a_run_changes_no_byte(job, tmp_path, monkeypatch):
    other = config_of(tmp_path / "other", Path(job.source.url), TWO_PHASE, key_file=job.key_file)
    real, offset, rewrite = time.time, [0.0], shards.rewrite

    def and_jump(*given):
        offset[0] = -offset[0] - YEAR if offset[0] >= 0 else YEAR
        return rewrite(*given)

    monkeypatch.setattr(time, "time", lambda: real() + offset[0])
    monkeypatch.setattr(stage.shards, "rewrite", and_jump)
    assert protect(other).shards == 3
    tars = {name: data for name, data in files(other.destination).items() if name.endswith(".tar")}
    assert tars == {name: data for name, data in files(job.destination).items() if name.endswith(".tar")}
    assert datetime.now(UTC).year >= 2026  # the machine's own clock was left alone
    tally.record("clock that jumps a year between shards", 3, "same bytes")
