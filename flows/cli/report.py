"""`unlearnable report`."""

import datetime
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from flows.cli import options
from infra.errors import ConfigurationError
from schemas.evaluate import Judgement

if TYPE_CHECKING:
    from infra.storage import Folder
    from tasks.report.index import Listed

_EXPORTED = ("report.html", "report.md", "results.csv")


def command(
    workspace: Annotated[str, typer.Argument(metavar="WORKSPACE", help="Workspace of an evaluation.")],
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A report's name.", show_default="all, or last")
    ] = None,
    search: Annotated[str | None, typer.Option(help="List those with this in name, title or verdict.")] = None,
    judgement: Annotated[
        str | None,
        typer.Option(
            help=f"List those with a copy that is {', '.join(get_args(Judgement))}.",
            autocompletion=options.offer(get_args(Judgement)),
        ),
    ] = None,
    since: Annotated[str | None, typer.Option(help="List those written from this day on (YYYY-MM-DD, UTC).")] = None,
    compare: Annotated[
        str | None,
        typer.Option(metavar="OTHER", help="Set RUN beside another report."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    export: Annotated[
        Path | None, typer.Option(help="Copy report.html, report.md and results.csv to a folder.")
    ] = None,
    redraw: Annotated[
        bool, typer.Option("--redraw", help="Draw the report anew from its tables, which stay as they are.")
    ] = False,
    card: Annotated[
        bool, typer.Option("--card", help="Write the verdict into the cards of the copies: it is published with them.")
    ] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Show them all in a browser, on this machine alone.")] = False,
    port: Annotated[int, typer.Option(help="Port to serve on; 0: any that is free.", min=0, max=65535)] = 8321,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List the reports of a workspace; open, export or compare one; serve them all."""
    del debug
    from tasks.report import index

    if serve:
        _serve(workspace, port, json_)
        return
    found = index.listed(workspace, index.Filter(search, _judgement(judgement), _day(since)))
    chosen = [index.one_of(found, workspace, run)] if run else found
    if not chosen:
        some = search or judgement or since
        missing, mend = ("no such report", "ask for less") if some else ("no report", "run unlearnable evaluate first")
        raise ConfigurationError(f"{workspace} has {missing}", mend)
    if redraw:
        from tasks.report.write import redraw as draw

        name = chosen[-1].name
        chosen[-1] = index.Listed(name, draw(index.reports_of(workspace).child(name)))
    if card:
        _state(workspace, chosen[-1], json_)
        return
    if compare is not None:
        _compare(workspace, chosen[-1].name, index.one_of(index.listed(workspace), workspace, compare).name, json_)
        return
    if export is not None:
        _export(workspace, chosen[-1], export)
    if open_:
        _open(index.reports_of(workspace).child(chosen[-1].name))
    if json_:
        options.print_json({each.name: each.record.model_dump(mode="json") for each in chosen})
        return
    for line in index.lines(chosen):
        print(line)


def _serve(workspace: str, port: int, json_: bool) -> None:
    if json_:
        raise ConfigurationError("--serve prints no JSON", "leave --json out")
    from flows.cli.serve import serve

    serve(workspace, port)


def _judgement(asked: str | None) -> Judgement | None:
    for known in get_args(Judgement):
        if asked == known:
            return known
    if asked is None:
        return None
    raise ConfigurationError(f"--judgement {asked} is none", f"give {', '.join(get_args(Judgement))}")


def _day(asked: str | None) -> str | None:
    try:
        return asked and datetime.date.fromisoformat(asked).isoformat()
    except ValueError as error:
        raise ConfigurationError(f"--since {asked} is no day", "write it as 2026-11-28") from error


def _compare(workspace: str, first: str, second: str, json_: bool) -> None:
    from rich.console import Console

    from tasks.report import index, shown
    from tasks.report.compare import compare
    from tasks.report.terminal import text_table

    found = compare(index.side_of(workspace, first), index.side_of(workspace, second))
    if json_:
        tables = {"settings": found.settings, "cells": found.cells}
        rows = {name: shown.rows(table) for name, table in tables.items()}
        options.print_json({"first": first, "second": second, "sentences": list(found.sentences), **rows})
        return
    console = Console(highlight=False)
    for table in (found.settings, found.cells):
        if table.rows:
            console.print(text_table(table))
    for sentence in found.sentences:
        print(sentence)


def _state(workspace: str, chosen: "Listed", json_: bool) -> None:
    """Write what the report says of each copy into its card. Raises ConfigurationError when it judged none."""
    from infra.storage import Folder
    from tasks.report import index, worth
    from tasks.rewrite.publish import state_worth

    found = list(worth.worths(index.reports_of(workspace).child(chosen.name), chosen.name, chosen.record))
    if not found:
        raise ConfigurationError(f"report {chosen.name} judged no copy", "name another report")
    for destination, what in found:
        state_worth(Folder(destination), what)
    if json_:
        options.print_json({destination: what.model_dump(mode="json") for destination, what in found})
        return
    for destination, what in found:
        print(f"{destination}: {what.judgement}, by {chosen.name}")


def _export(workspace: str, chosen: "Listed", target: Path) -> None:
    from tasks.report import index

    folder = index.reports_of(workspace).child(chosen.name)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in _EXPORTED:
            (target / name).write_bytes(folder.read(name))
    except OSError as error:
        raise ConfigurationError(f"can't export to {target}: {error.strerror}", "give a folder to write to") from error


def _open(folder: "Folder") -> None:
    if not folder.is_local:
        problem = f"{folder.object_url('report.html')} is not on this machine"
        raise ConfigurationError(problem, "use --export FOLDER and open it there, or --serve")
    webbrowser.open(Path(folder.object_path("report.html")).resolve().as_uri())
