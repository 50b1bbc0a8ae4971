"""Protect a dataset: look, match, fit, rewrite, publish."""

import time

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect import flow

from infra import failures, progress
from infra.artifacts import shown_progress
from infra.devices import cores_shared_by
from infra.orchestration import give_up_after_crashes
from infra.runners import Steps, map_tasks, run_task
from infra.storage import Folder
from schemas.dataset import DatasetManifest, SourceSpec
from schemas.fitted import NoiseRecord
from schemas.protect import ProtectConfig, ProtectSummary, Published
from schemas.run import Stage
from tasks.match.stage import match_classes
from tasks.noise.stage import fit_noise
from tasks.report.stage import tell_protection
from tasks.rewrite import places
from tasks.rewrite.stage import check_coverage, claim, forget, publish_dataset, rewrite_shard
from tasks.shard import source
from tasks.shard.stage import index_shard, plan_source, write_manifest


@flow(name="protect", flow_run_name="protect {config.source.url} to {config.destination}")
def protect(config: ProtectConfig, redo: Stage | None = None) -> ProtectSummary:
    """Protect every image of a dataset with error-minimizing noise, and publish the protected copy.

    What is done already is not done again, but for the stage `redo` and all that come after it.

    Args:
        config: What is protected, how, and where the copy goes.
        redo: The first stage that is done again although it is done, with all after it; nothing: none.

    """
    give_up_after_crashes()
    started = time.perf_counter()
    job = claim(config)
    with places.hold(config, job) as lease, shown_progress():
        if redo is not None:
            forget(config, redo)
        private = index_dataset(config.source, config, "dataset")
        public = index_dataset(config.public, config, "public") if config.public else None
        check_coverage(config, private)
        mapping = run_task(match_classes, config, private, public)
        noise = run_task(fit_noise, config, private, public)

        progress.start("rewrite", len(private.shards), "shards")
        same = {"config": config, "dataset": private.heading, "mapping": mapping, "noise": noise}
        on = {"runner": config.runner, "told": Steps("rewrite", images=lambda shard: shard.samples)}
        with cores_shared_by(config.workers):
            rewritten = map_tasks(rewrite_shard, private.shards, config.workers, "shards", **on, **same)
        progress.finish("rewrite")

        lease.require()
        published = publish_dataset(config, job, private, noise, rewritten.results)
        failures.clear(Folder(config.workspace))
        summary = summarise(config, published, noise, rewritten.cached, time.perf_counter() - started)
    tell_protection(config, summary)
    return summary


def index_dataset(spec: SourceSpec, config: ProtectConfig, place: str) -> DatasetManifest:
    """Cut a dataset into shards and index each; WORKSPACE/PLACE keeps what is found."""
    folder, spec = Folder(config.workspace).child(place).url, source.spelled(spec)
    plan = plan_source(spec)
    progress.start("index", len(plan.units), "shards")
    on = {"runner": config.runner, "told": Steps("index")}
    indices = map_tasks(index_shard, plan.units, config.workers, "shards", **on, spec=spec, place=folder)
    progress.finish("index")
    return write_manifest(spec, plan, indices.results, folder)


def summarise(
    config: ProtectConfig, published: Published, noise: NoiseRecord, skipped: int, seconds: float
) -> ProtectSummary:
    """What the run did, in numbers."""
    dataset, protection = published.manifest.dataset, published.manifest.protection
    return ProtectSummary(
        samples=dataset.samples,
        protected=protection.protected,
        quarantined=dataset.quarantined,
        shards=len(dataset.shards),
        skipped_shards=skipped,
        max_abs_change=protection.max_abs_change,
        seconds=seconds,
        destination=config.destination,
        workspace=config.workspace,
        orphans_kept=published.manifest.orphans,
        orphans_removed=published.removed,
        noise=noise.inputs[:16],
        noise_error=noise.error,
        converged=noise.converged,
        stopped=noise.stopped,
    )
