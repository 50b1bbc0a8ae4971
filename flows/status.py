"""Where a job stands, read from its workspace: the done-markers are the truth."""

from infra.storage import Folder
from schemas.dataset import DatasetManifest
from schemas.fitted import NoiseRecord
from schemas.protect import Job, ProtectedManifest, ProtectedShard
from schemas.status import JobStatus, NoiseStatus


def look(workspace: Folder) -> JobStatus | None:
    """The state of the job that owns a workspace; None when no job does. Raises DataError, StorageError."""
    job = workspace.load("job.json", Job)
    if job is None:
        return None
    names = list(workspace.list())
    dataset = workspace.load("dataset/manifest.json", DatasetManifest)
    # A source that has shrunk leaves the markers of shards that are no more.
    known = {f"rewrite/{shard.name}.json" for shard in dataset.shards} if dataset else set()
    markers = [workspace.load(name, ProtectedShard) for name in names if name in known]
    noises = [workspace.load(n, NoiseRecord) for n in names if n.startswith("noise/") and n.endswith("/record.json")]
    published = Folder(job.destination).load("manifest.json", ProtectedManifest)
    return JobStatus(
        destination=job.destination,
        published=published is not None and published.job == job.job,
        source=dataset.source.url if dataset else None,
        indexed_shards=sum(name.startswith("dataset/index/") for name in names),
        samples=dataset.samples if dataset else 0,
        quarantined=dataset.quarantined if dataset else 0,
        noises=tuple(_noise(record) for record in noises if record),
        rewritten_shards=len(markers),
        protected=sum(marker.protected for marker in markers if marker),
        reports=sum(name.startswith("reports/") and name.endswith("/report.json") for name in names),
    )


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
