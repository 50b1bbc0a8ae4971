"""Where a job stands."""

from schemas.base import Schema


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
    """What a workspace and its destination hold."""

    destination: str
    published: bool
    source: str | None
    indexed_shards: int
    samples: int
    quarantined: int
    noises: tuple[NoiseStatus, ...]
    rewritten_shards: int
    protected: int
    reports: int
