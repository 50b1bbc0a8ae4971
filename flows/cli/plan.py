"""`unlearnable plan`."""

from typing import Annotated

import typer

from flows.cli import options
from flows.cli.protect import Destination, Source, config_of, source_fields
from schemas.noise import NoiseMethod

_NO_WORKSPACE = "memory://no-workspace"


def command(
    source: Source,
    dest: Destination,
    workspace: Annotated[str | None, typer.Option(help="Workspace of the job, when it has one.")] = None,
    method: Annotated[str | None, typer.Option(help=f"{', '.join(options.kinds(NoiseMethod))}.")] = None,
    preset: Annotated[str | None, typer.Option(help="standard, fast, or paper (Huang et al. 2021).")] = None,
    form: Annotated[str | None, typer.Option(help="sample-wise or class-wise.")] = None,
    procedure: Annotated[str | None, typer.Option(help="Sample-wise: two-phase, or joint as in the paper.")] = None,
    source_model: Annotated[str | None, typer.Option(help="tiny or resnet18.")] = None,
    split: options.Split = None,
    limit: options.Limit = None,
    format_: options.Format = None,
    label_field: options.LabelField = None,
    image_field: options.ImageField = None,
    device: options.Device = None,
    config: options.Config = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Tell what protect would do: shards, images, bytes, time measured on a few of them. Writes nothing."""
    del debug
    from flows.plan import look_ahead

    given = {
        "source": source_fields(source, split, limit, format_, label_field, image_field),
        "destination": dest,
        "workspace": workspace,
        "method": {
            "kind": method,
            "preset": preset,
            "form": form,
            "procedure": procedure,
            "source_model": source_model,
        },
        "device": device,
    }
    fields = options.merge(options.read_config(config), given)
    fields.setdefault("workspace", _NO_WORKSPACE)
    found = look_ahead(config_of(fields))
    if json_:
        options.print_json(found.model_dump(mode="json"))
        return
    about = "" if found.exact else "about "
    print(f"source     {source}: {found.format}, {found.shards} shards")
    print(f"samples    {about}{found.samples}")
    print(f"read       {about}{_size(found.bytes_in)}, written about {_size(found.bytes_out)} to {dest}")
    print(f"fit        at most {found.fit_seconds:.0f} s and {_size(found.fit_bytes)} of memory on {found.device}")
    print(f"index      about {found.index_seconds:.0f} s, rewrite about {found.rewrite_seconds:.0f} s")
    print(f"done       {found.done_shards} shards are rewritten already")


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
