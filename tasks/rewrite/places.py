"""Three places, three owners: SOURCE is read, WORKSPACE is private, DESTINATION is published."""

import contextlib
import re
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from infra.errors import ConfigurationError, DataError
from infra.lease import LOCK, Lease, held
from infra.storage import TEMPORARY, Folder, encoded
from schemas.protect import Job, KeptConfig, ProtectConfig, ProtectedManifest
from tasks.rewrite.shard import CARD, MANIFEST
from tasks.shard import licence
from tasks.shard.source import is_place

JOB = "job.json"
CONFIG = "config.json"
_MAGIC = re.compile(r"[*?\[]")


def check_apart(config: ProtectConfig) -> None:
    """Raise ConfigurationError when two of the three places are the same or one lies in another.

    Source and workspace may lie side by side in one folder; nothing may be written into the source, and nothing
    private into the destination.
    """
    source, destination, workspace = config.source.url, config.destination, config.workspace
    if Folder(destination).identity() == Folder(workspace).identity():
        raise ConfigurationError(f"workspace {workspace} is the destination", "give the workspace a private place")
    if Folder(destination).holds(Folder(workspace)):
        problem = f"workspace {workspace} lies in the destination {destination}, which will be published"
        raise ConfigurationError(problem, "give the workspace a private place outside it")
    if Folder(workspace).holds(Folder(destination)):
        problem = f"destination {destination} lies in the workspace {workspace}, which is private"
        raise ConfigurationError(problem, "give the destination a place outside it")
    if Folder(destination).holds(Folder(config.noise_place)):
        problem = f"noise store {config.noise_place} lies in the destination {destination}, which will be published"
        raise ConfigurationError(problem, "give the noise store a private place outside it")
    public = [] if config.public is None else [config.public.url]
    for url in (source, *public):
        for name, other in (("destination", destination), ("workspace", workspace)):
            _require_outside(url, name, other)


def check_workspace(workspace: str, destinations: Sequence[str], sources: Sequence[str]) -> None:
    """Raise ConfigurationError when an evaluation would write its report into something published, or a source."""
    for destination in destinations:
        if Folder(destination).holds(Folder(workspace)):
            problem = f"workspace {workspace} lies in the destination {destination}, which will be published"
            raise ConfigurationError(problem, "give the workspace a private place outside it")
    for source in sources:
        if is_place(source) and _reads(source, Folder(workspace)):
            problem = f"workspace {workspace} lies in the source {source}"
            raise ConfigurationError(problem, "the source is never written to: give another workspace")


def _require_outside(source: str, name: str, other: str) -> None:
    if not is_place(source):
        return
    if _reads(source, Folder(other)) or Folder(other).holds(_glob(source)[0]):
        problem = f"{name} {other} and source {source} are one place, or one lies in the other"
        raise ConfigurationError(problem, f"the source is never written to: give another {name}")


def _reads(source: str, place: Folder) -> bool:
    """True when what is written to `place` could be taken for a part of the source."""
    fixed, pattern = _glob(source)
    if "/" in pattern or "**" in pattern or not pattern:
        return fixed.holds(place)
    return fixed.identity() == place.identity()  # data/*.tar sees nothing of data/protected/


def _glob(source: str) -> tuple[Folder, str]:
    """The last folder before a glob's first wildcard, and its pattern below; the source and "" when it is no glob."""
    wildcard = _MAGIC.search(source)
    if wildcard is None:
        return Folder(source), ""
    fixed = source[: wildcard.start()].rpartition("/")[0]
    return Folder(fixed or ("/" if source.startswith("/") else ".")), source[len(fixed) :].lstrip("/")


def claim(config: ProtectConfig) -> Job:
    """The job that owns this workspace and destination; on the first run it is drawn and written down.

    Raises ConfigurationError when the destination holds anything that this workspace's job did not write, or the
    workspace writes another destination.
    """
    workspace, destination = Folder(config.workspace), Folder(config.destination)
    job = workspace.load(JOB, Job)
    if job is not None and job.destination != destination.identity():
        problem = f"workspace {config.workspace} belongs to the destination {job.destination}"
        raise ConfigurationError(problem, "give each destination a workspace of its own")
    manifest = None if destination.info(MANIFEST) is None else _manifest(destination)
    if manifest is not None and (job is None or manifest.job != job.job):
        problem = f"destination {config.destination} holds another job's output"
        raise ConfigurationError(problem, "give an empty destination, or that job's workspace")
    if manifest is None:
        _require_no_strangers(destination, workspace, config.source.url)
    if job is not None:
        return job
    if destination.info(LOCK) is not None:  # asked before this workspace is bound to it
        if workspace.info(JOB) is not None:  # a run of this job has begun in between
            return claim(config)
        problem = f"destination {config.destination} is being written by another job, or was when it ended"
        raise ConfigurationError(problem, f"give another destination; if that job is gone, remove {LOCK} there")
    _require_bucket(destination)
    job = Job(job=secrets.token_hex(16), destination=destination.identity())
    # Of two first runs that start together one draws the job; the other finds it.
    return job if workspace.create(JOB, encoded(job)) else claim(config)


@contextlib.contextmanager
def hold(config: ProtectConfig, job: Job) -> Iterator[Lease]:
    """Let no other run write the destination meanwhile; WORKSPACE/config.json keeps what this run was asked for.

    Raises RunError when another run of the job holds it, ConfigurationError when another job does or did.
    """
    workspace, destination = Folder(config.workspace), Folder(config.destination)
    with held(destination, workspace, job.job) as lease:
        claim(config)  # again: another job may have written until now
        workspace.save(CONFIG, KeptConfig(config=config, folder=str(Path.cwd())))
        yield lease


def _require_no_strangers(destination: Folder, workspace: Folder, source: str) -> None:
    """Raise ConfigurationError when an unpublished destination holds what no run of this workspace wrote."""
    found = [name for name in destination.list() if name != LOCK]
    ours = written(workspace) | {CARD, *licence.files(source)} if found else set()
    if workspace.info(JOB) is not None:  # a run of this job that was killed left those that its source had then
        ours |= licence.named_so(found)
    strangers = [name for name in found if name not in ours]
    if strangers:
        problem = f"destination {destination.url} already holds {len(found)} files, such as {strangers[0]}"
        raise ConfigurationError(problem, "give an empty destination")


def written(workspace: Folder) -> set[str]:
    """Names of the shards that runs of a workspace have written, or were about to write."""
    return {
        name.removesuffix(".json") for place in ("rewrite", "dataset/index") for name in workspace.child(place).list()
    }


def _require_bucket(destination: Folder) -> None:
    """Raise StorageError when a bucket is not there or can't be written: now, and not after hours of fitting."""
    if not destination.is_local:
        probe = f"{TEMPORARY}probe"
        destination.write(probe, b"")
        destination.delete(probe)


def _manifest(destination: Folder) -> ProtectedManifest | None:
    try:
        return destination.load(MANIFEST, ProtectedManifest)
    except DataError as error:
        problem = f"destination {destination.url} holds a {MANIFEST} that no job of this version wrote"
        raise ConfigurationError(problem, "give an empty destination") from error
