"""The jobs of a bucket: one for each dataset, with a destination and a workspace of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infra.errors import ConfigurationError
from infra.storage import Folder
from schemas.bucket import BucketConfig, BucketContent, BucketSummary, DatasetOutcome, FoundDataset
from schemas.protect import ProtectConfig
from tasks.rewrite.places import JOB, check_apart

SUMMARY = "bucket.json"
DATASETS = "datasets"


def plan(config: BucketConfig, found: BucketContent) -> dict[str, ProtectConfig]:
    """The job of each dataset that is to be protected now, by its name, checked before any is begun.

    Raises ConfigurationError for a name in `only` that the bucket does not have, and for settings that no job can have.
    """
    known = [each.name for each in found.datasets]
    strangers = [name for name in config.only or () if name not in known]
    if strangers:
        problem = f"{config.bucket} has no dataset called {', '.join(strangers)}"
        raise ConfigurationError(problem, f"it has {', '.join(known[:20])}")
    jobs = {each.name: _job(config, each) for each in found.datasets if config.only is None or each.name in config.only}
    for job in jobs.values():
        check_apart(job)
        whole = {"destination": config.destination, "workspace": config.workspace}
        check_apart(job.model_copy(update={**whole, "source": job.source.model_copy(update={"url": config.bucket})}))
    return jobs


def dataset_names(workspace: Folder) -> list[str]:
    """Names of the datasets whose jobs a workspace keeps; none for a workspace of one dataset."""
    start, end = f"{DATASETS}/", f"/{JOB}"
    return [name[len(start) : -len(end)] for name in workspace.list() if name.startswith(start) and name.endswith(end)]


def workspace_of(config: BucketConfig, name: str) -> str:
    """Where what is kept of a dataset lies."""
    return Folder(config.workspace).child(f"{DATASETS}/{name}").url


def gone(before: BucketSummary | None, found: BucketContent) -> tuple[str, ...]:
    """Names of datasets that an earlier run knew and the bucket no longer holds."""
    known = () if before is None else (*(each.name for each in before.datasets), *before.gone)
    here = {each.name for each in found.datasets}
    return tuple(dict.fromkeys(name for name in known if name not in here))


def not_finished(planned: Mapping[str, ProtectConfig], before: BucketSummary | None) -> tuple[DatasetOutcome, ...]:
    """What is to be said of datasets that no earlier run knew, until this one has done them or was killed."""
    known = () if before is None else [each.name for each in before.datasets]
    new = {name: job for name, job in planned.items() if name not in known}
    return tuple(
        DatasetOutcome(name=name, url=job.source.url, summary=None, error="not finished") for name, job in new.items()
    )


def with_others(
    outcomes: Sequence[DatasetOutcome], before: BucketSummary | None, found: BucketContent
) -> tuple[DatasetOutcome, ...]:
    """Outcomes in the bucket's order; of a dataset that was left out this time, the one that an earlier run wrote."""
    earlier = () if before is None else before.datasets
    known = {each.name: each for each in (*earlier, *outcomes)}
    return tuple(known[each.name] for each in found.datasets if each.name in known)


def check_owner(config: BucketConfig, before: BucketSummary | None) -> None:
    """Raise ConfigurationError when the datasets of a workspace were protected into another destination."""
    if before is None:
        return
    owned = _placed(before.config.destination, before.folder)
    if Folder(owned).identity() != Folder(config.destination).identity() and dataset_names(Folder(config.workspace)):
        problem = f"workspace {config.workspace} belongs to the destination {owned}"
        raise ConfigurationError(problem, "give each destination a workspace of its own")


def check_names(before: BucketSummary | None, found: BucketContent) -> None:
    """Raise ConfigurationError when what was added to a bucket gives a dataset another name.

    It would be protected anew, beside its copy by the old name. A list may rename what it likes.
    """
    if before is None:
        return
    lost, known = gone(before, found), {each.name for each in before.datasets}
    new = [each for each in found.datasets if each.entry is None and each.name not in known]
    for old in (each for each in before.datasets if each.name in lost and each.url):
        for each in new:
            was, now = Folder(_placed(old.url, before.folder)), Folder(each.url)
            if was.holds(now) or now.holds(was):
                problem = f"{old.url} was dataset {old.name} until now, and its names tell {each.name}"
                raise ConfigurationError(problem, "list the datasets by the names that they had, in datasets.yaml")


def _placed(url: str, folder: str) -> str:
    """A place as it is called from anywhere, `folder` being where relative ones count from."""
    return url if "://" in url else str(Path(folder, Path(url).expanduser()))


def _job(config: BucketConfig, found: FoundDataset) -> ProtectConfig:
    """What all datasets share, what the list states of this one, and its places."""
    source, job = _stated(config.source), _stated(config.job)
    if found.split is not None:
        source["split"] = found.split
    if found.entry is not None:
        source |= _stated(found.entry.source)
        job |= _stated(found.entry.job)
    places = {
        "destination": Folder(config.destination).child(found.name).url,
        "workspace": workspace_of(config, found.name),
    }
    try:
        return ProtectConfig.model_validate({**job, **places, "source": {**source, "url": found.url}})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its settings"
        problem = f"dataset {found.name}: {where}: {first['msg'].removeprefix('Value error, ')}"
        raise ConfigurationError(problem, "mend its settings") from error


def _stated(settings: Any) -> dict[str, Any]:
    """The fields that were stated, and no defaults."""
    return {name: getattr(settings, name) for name in settings.model_fields_set}
