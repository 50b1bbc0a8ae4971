"""Flows run against a server of the tests' own, without waiting between tries."""

import pytest

from tasks.evaluate import stage as evaluate_stage
from tasks.match import stage as match_stage
from tasks.noise import stage as noise_stage
from tasks.report import stage as report_stage
from tasks.rewrite import stage as rewrite_stage
from tasks.shard import stage as shard_stage

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
