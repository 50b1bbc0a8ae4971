"""Prefect tasks of the shard stage."""

from collections.abc import Sequence

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect import task

from infra import artifacts, failures, progress
from infra.orchestration import RETRIES, cached, log, warn
from infra.storage import Folder
from schemas.bucket import BucketConfig, BucketContent
from schemas.dataset import DatasetManifest, ShardIndex, ShardUnit, SourcePlan, SourceSpec
from tasks.shard import bucket, done, index, sample, shown, source

# How far the pictures of a dataset may drift from the size at which its noise is made before a run says so.
_DRIFT = 1.5


@task(name="find datasets", task_run_name="look at {config.bucket}", **RETRIES)
def find_datasets(config: BucketConfig) -> BucketContent:
    """The datasets of a bucket. Raises ConfigurationError, DataError when there is none."""
    found = bucket.content(config)
    log(f"{config.bucket}: {len(found.datasets)} datasets, {found.stray_count} files that belong to none")
    if found.stray_count:
        warn(f"{found.stray_count} files belong to no dataset: {index.named(found.strays)}")
    return found


@task(name="plan source", task_run_name="look at {spec.url}", **RETRIES)
def plan_source(spec: SourceSpec) -> SourcePlan:
    """Look at a source and cut it into units, one a shard. Raises DataError when there is no dataset."""
    found = source.plan(spec)
    log(f"{spec.url}: {found.format}, {len(found.units)} shards")
    return found


@task(name="index shard", task_run_name="index {unit.name}", **RETRIES)
def index_shard(unit: ShardUnit, spec: SourceSpec, place: str) -> ShardIndex:
    """Index one unit (writing its shard to PLACE/shards/ where the source has none), or find it done."""
    folder = Folder(place)
    found = done.finished(folder, spec, unit)
    if found is not None:
        progress.advance("index", 1, f"{unit.name} is done already")
        return cached(found)
    with failures.kept(folder, "index", unit.name):
        result = index.make_index(spec, unit, folder, done.inputs_of(spec, unit))
        folder.save(done.marker_of(unit), result)
        log(f"{unit.name}: {result.record.samples} samples, {len(result.bad)} quarantined")
    progress.advance("index", 1, unit.name, result.record.samples)
    return result


@task(name="write manifest", task_run_name="write manifest of {spec.url}", **RETRIES)
def write_manifest(spec: SourceSpec, plan: SourcePlan, indices: Sequence[ShardIndex], place: str) -> DatasetManifest:
    """Merge the indices into PLACE/manifest.json and PLACE/quarantine.parquet.

    The typical side stays what it was at first: noise is made at it, and a new shard must not change all noise.
    Raises DataError when too many samples are bad, or no dataset is left.
    """
    folder = Folder(place)
    index.write_quarantine(folder, indices)
    lost = index.gone(plan, folder)
    manifest = index.merge(spec, plan, indices, lost)
    manifest = manifest.model_copy(update={"typical_side": _side(manifest, done.known_side(folder, manifest))})
    folder.save(done.MANIFEST, manifest)
    which = place.rstrip("/").rsplit("/", 1)[-1]
    artifacts.table(f"shards-of-{which}", shown.shards(indices), "The dataset by its shards")
    if bad := shown.quarantined(indices):
        artifacts.table(f"quarantined-of-{which}", bad, "What is not fit to protect, and why")
    if lost:
        warn(f"no longer in {spec.url}: {index.named([each.unit.name for each in lost])}")
    return manifest


def _side(manifest: DatasetManifest, known: int | None) -> int:
    now = sample.typical_side(manifest)
    if known is not None and max(now, known) > _DRIFT * min(now, known):
        mend = "give --working-size to change that; all noise is then made anew"
        warn(f"pictures are typically {now} pixels wide now; noise is still made at {known}: {mend}")
    return known or now
