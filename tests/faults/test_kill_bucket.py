"""kill -9 of a run over a bucket: what it has done stays done, and the next run does the rest."""

import time
from pathlib import Path

import pytest

from schemas.bucket import BucketConfig
from tests.faults import runs, tally
from tests.tasks.rewrite.helpers import config_of, files, tar_source

pytestmark = pytest.mark.faults
DATASETS = ("birds", "cats", "dogs")


@pytest.fixture
def bucket(forked, tmp_path):
    for first, name in enumerate(DATASETS):
        tar_source(tmp_path / "in" / name, shards=4, first=first)
    single = config_of(tmp_path, tmp_path / "in")
    return BucketConfig.model_validate(
        {
            "bucket": str(tmp_path / "in"),
            "destination": str(tmp_path / "out"),
            "workspace": str(tmp_path / "private"),
            "job": {"method": single.method.model_dump(), "key_file": single.key_file, "device": "cpu"},
        }
    )


def published(config):
    return [name for name in DATASETS if (Path(config.destination) / name / "manifest.json").exists()]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("done", [1, 2])
def test_a_run_killed_between_datasets_goes_on_where_it_stood(bucket, tmp_path, done):
    said = tmp_path / "said"
    run = runs.start(bucket, said)
    while len(published(bucket)) < done and run.is_alive():
        time.sleep(0.002)
    assert runs.kill(run), "it was done before it could be killed"
    before = published(bucket)
    assert done <= len(before) < len(DATASETS)
    times = {path: path.stat().st_mtime_ns for name in before for path in (tmp_path / "out" / name).glob("*.tar")}
    partial = files(bucket.destination)
    again = runs.start(bucket, said)
    again.join()
    assert again.exitcode == 0, said.read_text()
    assert published(bucket) == list(DATASETS)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    whole = files(bucket.destination)
    assert all(whole[name] == data for name, data in partial.items() if not name.rpartition("/")[2].startswith("."))
    assert sum(name.endswith(".tar") for name in whole) == 4 * len(DATASETS)
    tally.record("kill -9 of a run over a bucket", 1, "the rest is done by the next run, what was done is not touched")
