"""`unlearnable evaluate`."""

from typing import Annotated, Any

import typer

from flows.cli import console, options
from flows.cli.job import source_fields
from infra.errors import ConfigurationError
from schemas import evaluate as schemas
from schemas.evaluate import EvaluateConfig, Evaluation


def command(
    dest: Annotated[list[str], typer.Argument(metavar="DEST...", help="Destinations of protect runs, of one source.")],
    clean: Annotated[str, typer.Option(help="The source that they were made from: gives the clean baseline.")],
    test: Annotated[str, typer.Option(help="Clean pictures to test on.")],
    workspace: options.Workspace,
    test_split: Annotated[str | None, typer.Option(help="Split of the test pictures.", show_default="test")] = None,
    victims: Annotated[str | None, typer.Option(help="tiny,resnet18", show_default="tiny")] = None,
    countermeasures: Annotated[str | None, typer.Option(help="none,grayscale,jpeg-10", show_default="none")] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each cell.", show_default="3")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of every victim.")] = None,
    format_: options.Format = None,
    label_field: options.LabelField = None,
    image_field: options.ImageField = None,
    device: options.Device = None,
    config: options.Config = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Train victims on protected and on clean pictures, test them on clean ones, and write a report."""
    del debug
    fields = source_fields(test, test_split or "test", None, format_, label_field, None)
    given = {
        "protected": dest,
        "clean": source_fields(clean, None, None, format_, label_field, image_field),
        "test": fields,
        "workspace": workspace,
        "victims": victim_fields(victims, epochs),
        "countermeasures": countermeasure_fields(countermeasures),
        "seeds": seeds,
        "device": device,
    }
    built = options.build(EvaluateConfig, options.merge(options.read_config(config), given))
    from infra.devices import pick_device
    from tasks.rewrite.places import check_workspace

    check_workspace(built.workspace, built.protected, (built.clean.url, built.test.url))
    pick_device(built.device)
    from flows.evaluate import evaluate
    from infra.orchestration import start_server

    start_server()
    with console.show_progress():
        result = evaluate(built)
    tell(result, json_)


def victim_fields(text: str | None, epochs: int | None) -> list[dict[str, Any]] | None:
    """`tiny,resnet18` as fields of victims, with their own recipe but for the epochs, if stated."""
    kinds = options.names(text)
    if kinds is None:
        if epochs is None:
            return None
        kinds = ["tiny"]
    known = options.kinds(schemas.Victim)
    strangers = [kind for kind in kinds if kind not in known]
    if strangers:
        raise ConfigurationError(f"no victim is called {strangers[0]}", f"take from {', '.join(known)}")
    return [options.merge({"kind": kind}, {"recipe": {"epochs": epochs}}) for kind in kinds]


def countermeasure_fields(text: str | None) -> list[dict[str, Any]] | None:
    """`none,jpeg-10` as fields of countermeasures: a number after the kind is the kind's own parameter."""
    stated = options.names(text)
    return None if stated is None else [_countermeasure(name) for name in stated]


def _countermeasure(name: str) -> dict[str, Any]:
    known = options.kinds(schemas.Countermeasure)
    if name in known:
        return {"kind": name}
    kind, _, number = name.rpartition("-")
    parameters = [field for field in known[kind].model_fields if field != "kind"] if kind in known else []
    if not parameters or not number.isdecimal():
        problem = f"no countermeasure is called {name}"
        raise ConfigurationError(problem, f"take from {', '.join(known)}; jpeg-10 is JPEG at quality 10")
    return {"kind": kind, parameters[0]: int(number)}


def tell(result: Evaluation, json_: bool) -> None:
    """The closing lines of an evaluation: JSON, or the table, the verdict and where the report lies."""
    from rich.console import Console

    from tasks.report.frame import frame, results_json
    from tasks.report.summary import summarise
    from tasks.report.terminal import summary_table

    table = frame(result.runs)
    if json_:
        options.print_json({"results": results_json(table), "report": result.report.report})
        return
    Console(highlight=False).print(summary_table(summarise(table)))
    print(result.report.verdict)
    print(f"Report: {result.report.report}")
