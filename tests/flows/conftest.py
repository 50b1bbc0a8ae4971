"""Flows run against a server of the tests' own, without waiting between tries."""

import pytest

from tasks.evaluate import stage as evaluate_stage
from tasks.match import stage as match_stage
from tasks.noise import stage as noise_stage
from tasks.report import stage as report_stage
from tasks.rewrite import stage as rewrite_stage
from tasks.shard import stage as shard_stage
from tests.flows.cli_helpers import KEY, Places, unlearnable
from tests.tasks.shard.helpers import shard

TASKS = (
    shard_stage.plan_source,
    shard_stage.index_shard,
    shard_stage.write_manifest,
    match_stage.match_classes,
    noise_stage.fit_noise,
    rewrite_stage.claim,
    rewrite_stage.rewrite_shard,
    rewrite_stage.publish_dataset,
    evaluate_stage.measure_copy,
    evaluate_stage.train_victim,
    report_stage.write_evaluation,
)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Tasks try again at once; how often is theirs to say."""
    for task in TASKS:
        monkeypatch.setattr(task, "retry_delay_seconds", [0] * task.retries)


@pytest.fixture
def cli(prefect_server, monkeypatch):
    """The command line in this process, with a key."""
    monkeypatch.setenv("UNLEARNABLE_KEY", KEY)
    return unlearnable


@pytest.fixture
def places(tmp_path):
    """Three places of a job, empty."""
    return Places(tmp_path)


@pytest.fixture
def two_shards(tmp_path):
    """The places of a job whose source holds two shards of four pictures."""
    found = Places(tmp_path)
    found.put("a.tar", shard(4))
    found.put("b.tar", shard(4, first=4))
    return found


@pytest.fixture
def states(monkeypatch):
    """Names of the states in which the task runs of each stage ended, as lists by what was mapped."""
    found: dict[str, list[str]] = {}
    from infra import runners

    gather = runners.gather

    def watching(futures, what):
        try:
            return gather(futures, what)
        finally:
            found.setdefault(what, []).extend(future.state.name for future in futures)

    monkeypatch.setattr(runners, "gather", watching)
    return found
