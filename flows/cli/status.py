"""`unlearnable status`."""

from typing import Annotated

import typer

from flows.cli import options
from infra.errors import ConfigurationError


def command(
    workspace: Annotated[str, typer.Argument(metavar="WORKSPACE", help="Workspace of a protect run.")],
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Tell where a job stands: shards indexed and rewritten, noise, reports."""
    del debug
    from flows.status import look
    from infra.storage import Folder

    found = look(Folder(workspace))
    if found is None:
        raise ConfigurationError(f"{workspace} is no workspace of a job", "give the --workspace of a protect run")
    if json_:
        options.print_json(found.model_dump(mode="json"))
        return
    print(f"destination  {found.destination}{'' if found.published else ' (not published yet)'}")
    print(f"source       {found.source or 'not indexed yet'}")
    print(f"indexed      {found.indexed_shards} shards, {found.samples} samples, {found.quarantined} quarantined")
    for noise in found.noises:
        how = "" if noise.error is None else f", error {100 * noise.error:.1f} % after {noise.rounds} rounds"
        print(f"noise        {noise.digest}: {noise.method}, {noise.form}, {noise.epsilon}/255{how}, {noise.stopped}")
    print(f"rewritten    {found.rewritten_shards} shards, {found.protected} samples protected")
    print(f"reports      {found.reports}")
