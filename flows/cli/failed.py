"""`unlearnable failed`."""

from typing import Annotated

import typer

from flows.cli import options
from infra.errors import ConfigurationError, one_line


def command(
    workspace: Annotated[
        str, typer.Argument(metavar="WORKSPACE", help="Workspace of a protect or protect-bucket run.")
    ],
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Tell what failed and why: each failed shard with its log, each sample on the quarantine list with its reason."""
    del debug
    from flows.status import look_for_failures
    from infra.storage import Folder

    found = look_for_failures(Folder(workspace))
    if found is None:
        raise ConfigurationError(f"{workspace} is no workspace of a job", "give the --workspace of a protect run")
    if json_:
        options.print_json(found.model_dump(mode="json"))
        return
    for each in found.failures:
        of = f"{each.dataset}: " if each.dataset else ""
        again = f" ({each.failure.tries} times)" if each.failure.tries > 1 else ""
        print(f"{of}{each.failure.stage} {one_line(each.failure.item)}{again}: {each.failure.reason}")
        for line in each.failure.log:
            print(f"    {line}")
    for sample in found.quarantined:
        of = f"{sample.dataset}: " if sample.dataset else ""
        place = f"{one_line(sample.shard)} ({one_line(sample.source)})"
        print(f"{of}quarantined {one_line(sample.key)} of {place}: {sample.reason}")
    print(f"{len(found.failures)} pieces of work failed, {len(found.quarantined)} samples are quarantined")
