"""`unlearnable report`."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from flows.cli import options
from infra.errors import ConfigurationError
from infra.storage import Folder
from schemas.evaluate import ReportRecord


def command(
    workspace: Annotated[str, typer.Argument(metavar="WORKSPACE", help="Workspace of an evaluation.")],
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A report's name.", show_default="all, or last")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    export: Annotated[
        Path | None, typer.Option(help="Copy report.html, report.md and results.csv to a folder.")
    ] = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List the reports of a workspace, open one, or export one."""
    del debug

    folder = Folder(workspace).child("reports")
    names = sorted({n.split("/")[0] for n in folder.list() if n.endswith("/report.json")})
    if not names or (run is not None and run not in names):
        missing = f"no report called {run}" if names else "no report"
        mend = f"there is {', '.join(names[-5:])}" if names else "run unlearnable evaluate first"
        raise ConfigurationError(f"{workspace} has {missing}", mend)
    chosen = [run] if run else names
    records = {name: folder.load(f"{name}/report.json", ReportRecord) for name in chosen}
    if export is not None:
        _export(folder.child(chosen[-1]), export)
    if open_:
        _open(folder.object_url(f"{chosen[-1]}/report.html"), folder.is_local)
    if json_:
        options.print_json({name: record.model_dump(mode="json") for name, record in records.items() if record})
        return
    for name, record in records.items():
        if record:
            print(f"{name}  {record.rows} runs  {record.verdict}\n  {record.report}")


def _export(report: Folder, target: Path) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in ("report.html", "report.md", "results.csv"):
            (target / name).write_bytes(report.read(name))
    except OSError as error:
        raise ConfigurationError(f"can't export to {target}: {error.strerror}", "give a folder to write to") from error


def _open(url: str, local: bool) -> None:
    if not local:
        raise ConfigurationError(f"{url} is not on this machine", "use --export FOLDER and open it there")
    webbrowser.open(Path(url.removeprefix("file://")).resolve().as_uri())
