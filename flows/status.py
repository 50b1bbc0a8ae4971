"""Where a job stands, read from its workspace: the done-markers are the truth."""

import io

import pandas as pd

from infra import failures, lease
from infra.storage import Folder
from schemas.bucket import BucketSummary
from schemas.dataset import DatasetManifest
from schemas.fitted import NoiseRecord
from schemas.protect import Job, KeptConfig, ProtectedManifest, ProtectedShard
from schemas.run import Holder
from schemas.status import BucketStatus, FailedWork, Failures, JobStatus, NoiseStatus, QuarantinedSample
from tasks.rewrite import bucket
from tasks.rewrite.places import CONFIG
from tasks.rewrite.shard import settings_of
from tasks.shard.index import QUARANTINE


def look(workspace: Folder) -> JobStatus | None:
    """The state of the job that owns a workspace; None when no job does. Raises DataError, StorageError."""
    job = workspace.load("job.json", Job)
    if job is None:
        return None
    names = list(workspace.list())
    dataset = workspace.load("dataset/manifest.json", DatasetManifest)
    # A source that has shrunk leaves the indices and markers of shards that are no more.
    shards = [shard.name for shard in dataset.shards] if dataset else []
    indices = {name for name in names if name.startswith("dataset/index/")}
    rewritten = {f"rewrite/{name}.json" for name in shards}
    found = [workspace.load(name, ProtectedShard) for name in names if name in rewritten]
    records = [workspace.load(n, NoiseRecord) for n in names if n.startswith("noise/") and n.endswith("/record.json")]
    noises = [record for record in records if record]
    current = _settings(workspace.load(CONFIG, KeptConfig), noises)
    # A marker of no inputs was taken back, one of other settings is an earlier run's: both are to be done again.
    markers = [one for one in found if one and one.inputs and (current is None or one.settings in current)]
    holder = lease.holder(Folder(job.destination), workspace)
    published = Folder(job.destination).load("manifest.json", ProtectedManifest)
    return JobStatus(
        destination=job.destination,
        published=published is not None and published.job == job.job,
        source=dataset.source.url if dataset else None,
        indexed_shards=len(indices & {f"dataset/index/{name}.json" for name in shards} if dataset else indices),
        samples=dataset.samples if dataset else 0,
        quarantined=dataset.quarantined if dataset else 0,
        noises=tuple(map(_noise, noises)),
        rewritten_shards=len(markers),
        protected=sum(marker.protected for marker in markers),
        orphans=published.orphans if published is not None and published.job == job.job else (),
        failed=len(failures.listed(workspace)),
        running=_running(holder) if holder else None,
        reports=sum(name.startswith("reports/") and name.endswith("/report.json") for name in names),
    )


def _settings(kept: KeptConfig | None, noises: list[NoiseRecord]) -> set[str] | None:
    """Settings by which a shard counts as done for the last run; None when they can't be told from here."""
    if kept is None or kept.config.noise_store is not None:
        return None
    wanted = (kept.config.method, kept.config.budget, kept.config.application)
    fitting = [noise for noise in noises if (noise.method, noise.budget, noise.application) == wanted]
    return {settings_of(kept.config, noise) for noise in fitting}


def _running(holder: Holder) -> str:
    if lease.is_dead(holder):
        now = ", which was killed: the next run takes over at once"
    else:
        now = "" if lease.is_here(holder) else ", unless it was killed"
    return f"process {holder.process} on {holder.host}{now}"


def _noise(record: NoiseRecord) -> NoiseStatus:
    return NoiseStatus(
        digest=record.inputs[:16],
        method=record.method.kind,
        form=record.method.form,
        epsilon=record.budget.epsilon,
        rounds=len(record.rounds),
        error=record.error,
        stopped=record.stopped,
    )


def look_at_bucket(workspace: Folder) -> BucketStatus | None:
    """The state of the jobs of a bucket's workspace; None when it is none. Raises DataError, StorageError."""
    known = workspace.load(bucket.SUMMARY, BucketSummary)
    if known is None:
        return None
    found = {name: look(workspace.child(f"{bucket.DATASETS}/{name}")) for name in bucket.dataset_names(workspace)}
    return BucketStatus(
        destination=known.config.destination,
        datasets={name: status for name, status in found.items() if status is not None},
        gone=known.gone,
        stray_count=known.stray_count,
    )


def look_for_failures(workspace: Folder) -> Failures | None:
    """What failed in a job, or in all jobs of a bucket; None when no job owns the workspace.

    Raises DataError, StorageError.
    """
    places = {name: workspace.child(f"{bucket.DATASETS}/{name}") for name in bucket.dataset_names(workspace)}
    if workspace.info("job.json") is not None:
        places[""] = workspace
    if not places and workspace.info(bucket.SUMMARY) is None:
        return None
    return Failures(
        failures=tuple(
            FailedWork(dataset=name, failure=each) for name, place in places.items() for each in failures.listed(place)
        ),
        quarantined=tuple(each for name, place in places.items() for each in _quarantined(name, place)),
    )


def _quarantined(dataset: str, workspace: Folder) -> list[QuarantinedSample]:
    data = workspace.read_optional(f"dataset/{QUARANTINE}")
    if data is None:
        return []
    rows = pd.read_parquet(io.BytesIO(data), columns=["shard", "key", "source", "reason"]).to_dict("records")
    return [QuarantinedSample.model_validate({**row, "dataset": dataset}) for row in rows]
