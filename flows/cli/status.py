"""`unlearnable status`."""

from typing import Annotated

import typer

from flows.cli import options
from infra.errors import ConfigurationError, one_line
from schemas.status import BucketStatus, JobStatus


def command(
    workspace: Annotated[str, typer.Argument(metavar="WORKSPACE", help="Workspace of a protect run.")],
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Tell where a job stands: shards indexed and rewritten, noise, reports."""
    del debug
    from flows.status import look, look_at_bucket
    from infra.storage import Folder

    whole = look_at_bucket(Folder(workspace))
    found = whole or look(Folder(workspace))
    if found is None:
        raise ConfigurationError(f"{workspace} is no workspace of a job", "give the --workspace of a protect run")
    if json_:
        options.print_json(found.model_dump(mode="json"))
    elif isinstance(found, BucketStatus):
        _tell_bucket(found, workspace)
    else:
        _tell(found, workspace)


def _tell_bucket(found: BucketStatus, workspace: str) -> None:
    print(f"destination  {found.destination}")
    for name, each in found.datasets.items():
        state = "" if each.published else ", not published"
        rest = f", {each.failed} failed" * bool(each.failed) + f", {len(each.orphans)} orphans" * bool(each.orphans)
        print(
            f"{name}: {each.rewritten_shards} of {each.indexed_shards} shards, "
            f"{each.protected} samples protected{rest}{state}"
        )
    if found.gone:
        print(f"gone         {one_line(', '.join(found.gone))}: no longer in the bucket")
    if found.stray_count:
        print(f"strays       {found.stray_count} files belong to no dataset")
    print(f"one of them: unlearnable status {workspace.rstrip('/')}/datasets/NAME")


def _tell(found: JobStatus, workspace: str) -> None:
    print(f"destination  {found.destination}{'' if found.published else ' (not published yet)'}")
    print(f"source       {found.source or 'not indexed yet'}")
    print(f"indexed      {found.indexed_shards} shards, {found.samples} samples, {found.quarantined} quarantined")
    for noise in found.noises:
        how = "" if noise.error is None else f", error {100 * noise.error:.1f} % after {noise.rounds} rounds"
        print(f"noise        {noise.digest}: {noise.method}, {noise.form}, {noise.epsilon}/255{how}, {noise.stopped}")
    print(f"rewritten    {found.rewritten_shards} shards, {found.protected} samples protected")
    if found.orphans:
        print(f"orphans      {one_line(', '.join(found.orphans))}: kept, though no longer in the source")
    if found.failed:
        print(f"failed       {found.failed}; see unlearnable failed {workspace}")
    if found.running:
        print(f"running      {found.running}")
    print(f"reports      {found.reports}")
