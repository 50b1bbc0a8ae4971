"""`unlearnable plan`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import options
from flows.cli.job import config_of, takes_a_job
from infra.pace import duration

if TYPE_CHECKING:
    from schemas.plan import JobPlan
    from schemas.protect import ProtectConfig

_NO_WORKSPACE = "memory://no-workspace"


@takes_a_job
def command(
    fields: dict[str, Any],
    workspace: Annotated[str | None, typer.Option(help="Workspace of the job, when it has one.")] = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Tell what protect would do, and what it would skip as done: shards, images, bytes, memory, time measured here."""
    del debug
    from flows.plan import look_ahead

    config = config_of({"workspace": _NO_WORKSPACE} | options.merge(fields, {"workspace": workspace}))
    found = look_ahead(config)
    if json_:
        options.print_json(found.model_dump(mode="json"))
        return
    for line in _lines(config, found):
        print(line)


def _lines(config: "ProtectConfig", found: "JobPlan") -> list[str]:
    about = "" if found.exact else "about "
    memory = f"{_size(found.fit_bytes)} of memory, {_free(found.free_bytes)}"
    at_most = f"at most {duration(found.fit_seconds)} on {found.device}, {memory}"
    fit = "skipped: the noise is there" if found.fit_done else at_most
    return [
        f"source     {config.source.url}: {found.format}, {found.shards} shards, {about}{found.samples} samples",
        f"skipped    {found.indexed_shards} of {found.shards} shards are indexed, {found.done_shards} are rewritten",
        f"read       about {_size(found.bytes_in)}; written about {_size(found.bytes_out)} to {config.destination}",
        f"index      about {duration(found.index_seconds)}",
        f"fit        {fit}",
        f"rewrite    about {duration(found.rewrite_seconds)}",
        f"in all     about {duration(found.seconds)} at most, by {found.probed} pictures measured here",
    ]


def _free(count: int | None) -> str:
    return "how much is free is not known" if count is None else f"{_size(count)} are free"


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
