"""Three places, three owners: SOURCE is read, WORKSPACE is private, DESTINATION is published."""

import secrets

from infra.errors import ConfigurationError
from infra.storage import Folder
from schemas.protect import Job, ProtectConfig, ProtectedManifest
from tasks.rewrite.shard import MANIFEST

JOB = "job.json"


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
    if "://" not in source and not source.startswith(("/", ".", "~")) and source in {"digits"}:
        return
    if source.startswith("torchvision://"):
        return
    place = Folder(source)
    for name, other in (("destination", destination), ("workspace", workspace)):
        if place.holds(Folder(other)) or Folder(other).holds(place):
            problem = f"{name} {other} and source {source} are one place, or one lies in the other"
            raise ConfigurationError(problem, f"the source is never written to: give another {name}")


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
    if job is not None:
        return job
    found = destination.list()
    if found:
        problem = f"destination {config.destination} already holds {len(found)} files, such as {next(iter(found))}"
        raise ConfigurationError(problem, "give an empty destination")
    job = Job(job=secrets.token_hex(16), destination=destination.identity())
    workspace.save(JOB, job)
    return job


def _manifest(destination: Folder) -> ProtectedManifest | None:
    return destination.load(MANIFEST, ProtectedManifest)
