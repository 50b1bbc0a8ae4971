"""`unlearnable demo`."""

from typing import Annotated

import typer

from flows.cli import console, options
from flows.cli.evaluate import tell
from infra.machine import cores


def command(
    place: Annotated[str, typer.Option(help="Folder for the protected copies, the workspaces and the report.")] = (
        "demo-output"
    ),
    seeds: Annotated[int, typer.Option(help="Runs of each cell.", min=1, max=100)] = 3,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Run the whole pipeline on the embedded digits: protect, evaluate, report. Needs no internet connection."""
    del debug
    from flows.demo import demo
    from infra.orchestration import start_server

    start_server()
    with console.show_progress():
        result = demo(place, seeds, cores())
    tell(result, f"{place}/private/evaluation", json_)
