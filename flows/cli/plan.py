"""`unlearnable plan`."""

from typing import Annotated, Any

import typer

from flows.cli import options
from flows.cli.job import config_of, takes_a_job

_NO_WORKSPACE = "memory://no-workspace"


@takes_a_job
def command(
    fields: dict[str, Any],
    workspace: Annotated[str | None, typer.Option(help="Workspace of the job, when it has one.")] = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Tell what protect would do: shards, images, bytes, time measured on a few of them. Writes nothing."""
    del debug
    from flows.plan import look_ahead

    config = config_of({"workspace": _NO_WORKSPACE} | options.merge(fields, {"workspace": workspace}))
    found = look_ahead(config)
    if json_:
        options.print_json(found.model_dump(mode="json"))
        return
    about = "" if found.exact else "about "
    print(f"source     {config.source.url}: {found.format}, {found.shards} shards")
    print(f"samples    {about}{found.samples}")
    print(f"read       {about}{_size(found.bytes_in)}, written about {_size(found.bytes_out)} to {config.destination}")
    print(f"fit        at most {found.fit_seconds:.0f} s and {_size(found.fit_bytes)} of memory on {found.device}")
    print(f"index      about {found.index_seconds:.0f} s, rewrite about {found.rewrite_seconds:.0f} s")
    print(f"done       {found.done_shards} shards are rewritten already")


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
