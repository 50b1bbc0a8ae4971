"""Protect a bucket: find its datasets, protect each, and do again only what is new or changed."""

import time
from pathlib import Path

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect import flow

from flows.protect import protect
from infra.errors import DataError, one_line
from infra.orchestration import give_up_after_crashes
from infra.storage import Folder
from schemas.bucket import BucketConfig, BucketSummary, DatasetOutcome
from schemas.protect import ProtectConfig
from schemas.run import Stage
from tasks.report.stage import tell_bucket
from tasks.rewrite import bucket as jobs
from tasks.shard.stage import find_datasets


@flow(name="protect-bucket", flow_run_name="protect bucket {config.bucket} to {config.destination}")
def protect_bucket(config: BucketConfig, redo: Stage | None = None) -> BucketSummary:
    """Protect every dataset of a bucket, each by a `protect` run of its own; one that fails stops no other.

    Args:
        config: Which bucket is protected, how, and where the copies go.
        redo: The first stage that is done again although it is done, with all after it; nothing: none.

    """
    give_up_after_crashes()
    started = time.perf_counter()
    workspace = Folder(config.workspace)
    before = workspace.load(jobs.SUMMARY, BucketSummary)
    jobs.check_owner(config, before)
    found = find_datasets(config)
    jobs.check_names(before, found)
    planned = jobs.plan(config, found)
    begun = BucketSummary(
        config=config,
        folder=str(Path.cwd()),
        datasets=jobs.with_others(jobs.not_finished(planned, before), before, found),
        gone=jobs.gone(before, found),
        strays=found.strays,
        stray_count=found.stray_count,
        seconds=0,
    )
    workspace.save(jobs.SUMMARY, begun)  # a run that is killed can be run again by its workspace alone
    outcomes = tuple(_one(name, job, redo) for name, job in planned.items())
    known, seconds = jobs.with_others(outcomes, before, found), time.perf_counter() - started
    summary = begun.model_copy(update={"datasets": known, "seconds": seconds})
    workspace.save(jobs.SUMMARY, summary)
    tell_bucket(summary)
    failed = [each for each in outcomes if each.error is not None]
    if failed:
        reasons = "; ".join(f"{each.name}: {each.error}" for each in failed[:5])
        raise DataError(f"{len(failed)}/{len(outcomes)} datasets failed: {reasons}", "mend the cause and run it again")
    return summary


def _one(name: str, config: ProtectConfig, redo: Stage | None) -> DatasetOutcome:
    """What became of one dataset; Prefect keeps its run, its log and its state."""
    state = protect(config, redo, return_state=True)
    if state.is_completed():
        return DatasetOutcome(name=name, url=config.source.url, summary=state.result(), error=None)
    error = one_line(state.message or state.name or "failed")
    return DatasetOutcome(name=name, url=config.source.url, summary=None, error=error)
