"""`unlearnable rerun`."""

import os
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from flows.cli import options, protect, protect_bucket
from infra.errors import ConfigurationError
from infra.storage import Folder
from schemas.bucket import BucketSummary
from schemas.protect import KeptConfig
from schemas.run import Stage

_STAGES: tuple[str, ...] = get_args(Stage)
_PLACES = ("bucket", "destination", "workspace", "datasets", "noise_store", "key_file", "mapping", "url")


def command(
    workspace: Annotated[
        str, typer.Argument(metavar="WORKSPACE", help="Workspace of a protect or protect-bucket run.")
    ],
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help=f"Do this stage and all after it again: {', '.join(_STAGES)}.",
            show_default="what is not done",
        ),
    ] = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Run a job again as it was asked for last: what failed or changed is done, finished shards are skipped."""
    del debug
    from tasks.rewrite.bucket import SUMMARY
    from tasks.rewrite.places import CONFIG

    stage = _stage(from_)
    folder = Folder(workspace)
    bucket, job = folder.load(SUMMARY, BucketSummary), folder.load(CONFIG, KeptConfig)
    if bucket is not None:
        _enter(bucket.folder, _places(bucket.config.model_dump(mode="json")))
        done = protect_bucket.run(bucket.config, stage)
        options.print_json(done.model_dump(mode="json")) if json_ else protect_bucket.tell(done)
    elif job is not None:
        _enter(job.folder, _places(job.config.model_dump(mode="json")))
        summary = protect.run(job.config, stage)
        options.print_json(summary.model_dump(mode="json")) if json_ else protect.tell(summary, job.config)
    else:
        raise ConfigurationError(f"{workspace} is no workspace of a job", "give the --workspace of a protect run")


def _stage(text: str | None) -> Stage | None:
    if text is not None and text not in _STAGES:
        raise ConfigurationError(f"--from {text} is no stage", f"give one of {', '.join(_STAGES)}")
    return text  # pyright: ignore


def _places(config: Any) -> list[str]:
    """All places that a configuration names, at any depth."""
    if not isinstance(config, dict):
        return []
    here = [config[name] for name in _PLACES if isinstance(config.get(name), str) and config[name] != "digits"]
    return here + [place for value in config.values() for place in _places(value)]


def _enter(folder: str, places: list[str]) -> None:
    """Go where relative places count from. Raises ConfigurationError when that folder is no more."""
    if all("://" in place or Path(place).expanduser().is_absolute() for place in places):
        return
    try:
        os.chdir(folder)
    except OSError as error:
        problem = f"the job names places from the folder {folder}, which can't be entered ({error.strerror})"
        raise ConfigurationError(problem, "run protect with its places as they are called from here") from error
