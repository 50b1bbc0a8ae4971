"""Where a job stands."""

from schemas.base import Schema
from schemas.run import Failure


class NoiseStatus(Schema):
    """One fitted noise of a workspace."""

    digest: str
    method: str
    form: str
    epsilon: int
    rounds: int
    error: float | None
    stopped: str


class JobStatus(Schema):
    """What a workspace and its destination hold.

    `orphans` are protected shards whose source shard is gone, `failed` counts pieces of work that failed and are not
    done since, and `running` names the process that holds the destination now, or held it when it was killed.
    """

    destination: str
    published: bool
    source: str | None
    indexed_shards: int
    samples: int
    quarantined: int
    noises: tuple[NoiseStatus, ...]
    rewritten_shards: int
    protected: int
    orphans: tuple[str, ...]
    failed: int
    running: str | None
    reports: int


class BucketStatus(Schema):
    """What the workspace of a bucket holds: the state of each dataset whose job it knows, by name."""

    destination: str
    datasets: dict[str, JobStatus]
    gone: tuple[str, ...]
    stray_count: int


class FailedWork(Schema):
    """One failure, and the dataset of a bucket that it is of; empty in a workspace of one dataset."""

    dataset: str
    failure: Failure


class QuarantinedSample(Schema):
    """One sample that is not fit to protect, and why."""

    dataset: str
    shard: str
    key: str
    source: str
    reason: str


class Failures(Schema):
    """What failed in a workspace: the object that `failed --json` prints."""

    failures: tuple[FailedWork, ...]
    quarantined: tuple[QuarantinedSample, ...]
