"""`unlearnable inspect`."""

from collections.abc import Iterable, Mapping
from typing import Annotated

import typer

from flows.cli import options
from schemas.dataset import SourceSpec
from schemas.inspection import KnownShard, ListedSample, ShardProblem, ShardReport

_MOST = 100
_MOST_COUNTS = 20


def command(
    shard: Annotated[str, typer.Argument(metavar="SHARD", help="Path or fsspec URL of a .tar, .tar.gz or .tgz.")],
    samples: Annotated[int, typer.Option(help="List the first so many samples.", min=0)] = 0,
    workspace: Annotated[
        str | None, typer.Option(help="Workspace of a job: also tell what its markers say of the shard.")
    ] = None,
    label_field: options.LabelField = None,
    image_field: options.ImageField = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Tell what is in a shard, source or protected, and what is wrong with it. Writes nothing."""
    del debug
    from infra.storage import Folder
    from tasks.shard.inspection import inspect

    fields = options.merge({}, {"url": shard, "label_field": label_field, "image_field": image_field})
    spec = options.build(SourceSpec, fields)
    found = inspect(spec, samples, None if workspace is None else Folder(workspace))
    if json_:
        options.print_json(found.model_dump(mode="json"))
    else:
        _tell(found)
    if not found.ok:
        raise typer.Exit(1)


def _tell(found: ShardReport) -> None:
    print(f"shard      {found.url}")
    print(f"stored     {found.bytes} bytes, sha256 {found.sha256}")
    print(f"samples    {found.samples}, {found.good} of them good")
    print(f"classes    {_counts(found.class_counts)}")
    print(f"members    {_counts(found.members)}")
    print(f"pictures   {_counts(found.pictures)}{_sizes(found)}")
    for row in found.listed:
        print(_row(row))
    for known in found.known or ():
        _tell_known(known)
    if found.known == ():
        print("workspace  its markers name no such shard")
    _tell_problems(found.problems)
    print("sound" if found.ok else f"NOT sound: {len(found.problems)} problems")


def _counts(counts: Mapping[str, int]) -> str:
    """The largest counts, and how many more there are."""
    largest = sorted(counts.items(), key=lambda each: -each[1])[:_MOST_COUNTS]
    more = f" and {len(counts) - len(largest)} more" if len(counts) > len(largest) else ""
    return ", ".join(f"{name or 'no extension'}: {count}" for name, count in largest) + more or "none"


def _sizes(found: ShardReport) -> str:
    if found.sizes is None:
        return ""
    low, high = found.sizes.min_width, found.sizes.max_width
    width = f"{low}" if low == high else f"{low} to {high}"
    low, high = found.sizes.min_height, found.sizes.max_height
    height = f"{low}" if low == high else f"{low} to {high}"
    return f"; {width} wide, {height} high"


def _row(row: ListedSample) -> str:
    size = "no picture" if row.width is None else f"{row.width}x{row.height}"
    label = "no label" if row.label is None else f"label {row.label}"
    return f"sample     {row.position} {row.key}: {label}, {size}, {row.bytes} bytes, {' '.join(row.members)}"


def _tell_known(known: KnownShard) -> None:
    protected = "" if known.protected is None else f", {known.protected} protected"
    stored = "as recorded" if known.as_recorded else "NOT as recorded"
    print(f"workspace  {known.marker}: {known.samples} good samples{protected}, bytes {stored}")
    _tell_problems(known.quarantined, "quarantined")


def _tell_problems(problems: Iterable[ShardProblem], what: str = "problem") -> None:
    listed = list(problems)
    for each in listed[:_MOST]:
        where = "" if each.position is None else f"sample {each.position} {each.key}: "
        print(f"{what:10} {where}{each.reason}")
    if len(listed) > _MOST:
        print(f"{what:10} and {len(listed) - _MOST} more, with --json")
