"""Prefect tasks of the rewrite stage."""

import socket
from collections.abc import Sequence

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect import task
from prefect.runtime import flow_run

from infra import artifacts, failures, progress
from infra.caching import shared
from infra.devices import pick_device
from infra.errors import ConfigurationError, one_line
from infra.keyring import VARIABLE, find_key, load_key
from infra.keys import BucketKey
from infra.orchestration import RETRIES, cached, gpu_gate, log, secret_block, warn
from infra.storage import Folder
from schemas.dataset import DatasetManifest, ShardRecord
from schemas.fitted import NoiseRecord
from schemas.matching import Mapping
from schemas.protect import Job, ProtectConfig, ProtectedShard, Published
from schemas.run import Stage
from tasks.noise import method as methods
from tasks.noise.method import MakesNoise
from tasks.noise.stage import noise_of
from tasks.rewrite import coverage, places, publish, redo, shown
from tasks.rewrite import shard as shards
from tasks.shard import licence
from tasks.shard.markers import doubted_when_changed


@task(name="claim destination", task_run_name="claim {config.destination}", **RETRIES)
def claim(config: ProtectConfig) -> Job:
    """Make sure that the three places are apart and the destination is this job's. Raises ConfigurationError."""
    places.check_apart(config)
    job = places.claim(config)
    load_key(Folder(config.workspace), config.key_file, secret_block(config.key_block))  # before hours of fitting
    return job


@task(name="forget", task_run_name="forget {stage} and after", **RETRIES)
def forget(config: ProtectConfig, stage: Stage) -> None:
    """Take back what marks a stage's work, and that of the stages after it, as done: this run does it again.

    Once: a run that crashed and is tried again goes on where it stood.
    """
    run = str(flow_run.root_flow_run_id or flow_run.id)
    if redo.was_begun(config, stage, run):
        log(f"this run has begun again from the stage {stage} before: it goes on where it stood")
        return
    log(f"{redo.forget(config, stage, noise_of(config))} done-markers taken back, from the stage {stage} on")
    redo.begun(config, stage, run)


@task(name="check coverage", task_run_name="check coverage of {config.source.url}")
def check_coverage(config: ProtectConfig, dataset: DatasetManifest) -> None:
    """Raise ConfigurationError when the coverage names a class that the dataset does not have."""
    coverage.check(config.coverage, dataset.class_names)


@task(name="rewrite shard", task_run_name="rewrite {shard.name}", **RETRIES)
def rewrite_shard(
    shard: ShardRecord, config: ProtectConfig, dataset: DatasetManifest, mapping: Mapping, noise: NoiseRecord
) -> ProtectedShard:
    """Rewrite one shard, or find it done."""
    job = shards.Job(config, dataset, mapping, noise, _key_of(config, noise))
    done = shards.finished(job, shard)
    if done is not None:
        progress.advance("rewrite", 1, f"{shard.name} is done already")
        return cached(done)
    on_device = methods.module_of(noise.method.kind).uses_network(noise.method)
    with (
        failures.kept(job.workspace, "rewrite", shard.name),
        gpu_gate(pick_device(config.device).type if on_device else "cpu"),
    ):
        with doubted_when_changed(job.workspace):
            marker = shards.rewrite(job, shard, _perturber(config, noise))
        log(f"{marker.name}: {marker.samples} samples, {marker.protected} protected, {marker.seconds:.1f} s")
    progress.advance("rewrite", 1, marker.name, marker.samples)
    return marker


@task(name="publish", task_run_name="publish {config.destination}", **RETRIES)
def publish_dataset(
    config: ProtectConfig, job: Job, dataset: DatasetManifest, noise: NoiseRecord, done: Sequence[ProtectedShard]
) -> Published:
    """Write the destination's card and manifest, and say which shards stay or go without a source."""
    with failures.kept(Folder(config.workspace), "publish", "dataset"):
        published = publish.publish(config, job, dataset, noise, done)
    artifacts.table("protected-shards", shown.shards(done), "The protected copy by its shards")
    if large := licence.too_large(config.source.url):
        most = f"{licence.MOST_BYTES / 1e6:g} MB"
        warn(f"not carried over, for a licence of over {most} is none: {one_line(', '.join(large))}")
    if published.manifest.orphans:
        names = one_line(", ".join(published.manifest.orphans))
        warn(f"kept, though no longer in the source: {names}; to remove them give --orphans remove")
    if published.manifest.outdated:
        names = one_line(", ".join(published.manifest.outdated))
        warn(f"of these, made by earlier settings, and not to be made anew without their source: {names}")
    if published.removed:
        warn(f"removed, since they no longer belong to the dataset: {one_line(', '.join(published.removed))}")
    return published


@shared(2)
def _perturber(config: ProtectConfig, noise: NoiseRecord) -> MakesNoise:
    """The shards of a run share one: a source model is loaded and folded once."""
    return shards.make_perturber(config, noise, _key_of(config, noise))


def _key_of(config: ProtectConfig, noise: NoiseRecord) -> BucketKey:
    """The run's secret key. Raises ConfigurationError when this machine, a node of a cluster maybe, has another one."""
    key = find_key(Folder(config.workspace), config.key_file, secret_block(config.key_block))
    if key.fingerprint != noise.key_fingerprint:
        here = (
            f"{socket.gethostname()} has the key {key.fingerprint}, and the noise was made with {noise.key_fingerprint}"
        )
        raise ConfigurationError(here, f"give it the run's key, in {VARIABLE} or in the key file")
    return key
