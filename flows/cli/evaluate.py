"""`unlearnable evaluate`."""

from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from flows.cli import console, options, suites
from flows.cli.job import source_fields
from infra.errors import ConfigurationError
from schemas.evaluate import EvaluateConfig, Evaluation, Part
from schemas.runner import ThreadsRunner

PARTS: tuple[str, ...] = get_args(Part)
MEMORY: tuple[str, ...] = get_args(EvaluateConfig.model_fields["memory"].annotation)


def command(
    dest: Annotated[list[str], typer.Argument(metavar="DEST...", help="Destinations of protect runs, of one source.")],
    clean: Annotated[str, typer.Option(help="The source that they were made from: gives the clean baseline.")],
    test: Annotated[str, typer.Option(help="Clean pictures to test on.")],
    workspace: options.Workspace,
    test_split: Annotated[str | None, typer.Option(help="Split of the test pictures.", show_default="test")] = None,
    victims: Annotated[
        str | None,
        typer.Option(
            help=f"Networks to train: {', '.join(suites.VICTIMS)}.",
            show_default="tiny",
            autocompletion=options.offer(suites.VICTIMS),
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help=f"Dataset family whose recipe trains them: {', '.join(suites.FAMILIES)}.",
            autocompletion=options.offer(suites.FAMILIES),
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of every victim.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help=f"{', '.join(suites.PRETRAINED)}: a classification network of torchvision's.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help=f"{', '.join(suites.PRETRAINED)}: file with its pretrained weights.")
    ] = None,
    countermeasures: Annotated[
        str | None,
        typer.Option(
            help=f"What is done to training: {', '.join(suites.COUNTERMEASURES)}, many with a value behind their "
            f"name (jpeg-30); or the suites {', '.join(suites.SUITES)}.",
            show_default="none",
            autocompletion=options.offer([*suites.SUITES, *suites.COUNTERMEASURES]),
        ),
    ] = None,
    parts: Annotated[
        str | None,
        typer.Option(
            help=f"What of a partly protected copy to train on: {', '.join(PARTS)}.",
            show_default="all",
            autocompletion=options.offer(PARTS),
        ),
    ] = None,
    pairs: Annotated[str | None, typer.Option(help="Pairs of faces to verify: a file of key_a, key_b, same.")] = None,
    pairs_pictures: Annotated[str | None, typer.Option(help="Clean pictures that the keys of the pairs name.")] = None,
    pairs_split: Annotated[str | None, typer.Option(help="Split of those pictures.", show_default="test")] = None,
    backdoor: Annotated[bool, typer.Option("--backdoor", help="Also try class-wise noise as a trigger.")] = False,
    seeds: Annotated[int | None, typer.Option(help="Runs of each cell.", show_default="3")] = None,
    format_: options.Format = None,
    label_field: options.LabelField = None,
    image_field: options.ImageField = None,
    memory: Annotated[
        str | None,
        typer.Option(
            help=f"Where training pictures lie: {', '.join(MEMORY)}.",
            show_default="auto",
            autocompletion=options.offer(MEMORY),
        ),
    ] = None,
    runner: options.Runner = None,
    runner_address: options.RunnerAddress = None,
    task_cores: options.TaskCores = None,
    task_gpus: options.TaskGpus = None,
    task_memory: options.TaskMemory = None,
    device: options.Device = None,
    config: options.Config = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Train victims on protected and on clean pictures, test them on clean ones, and write a report."""
    del debug
    file = options.read_config(config)
    named = options.names(countermeasures)
    given = {
        "protected": dest,
        "clean": source_fields(clean, None, None, format_, label_field, image_field),
        "test": source_fields(
            test, test_split or _stated(file, "test", "split") or "test", None, format_, label_field, image_field
        ),
        "workspace": workspace,
        "victims": suites.victims(
            options.names(victims),
            file.get("victims"),
            recipe={"family": recipe, "epochs": epochs},
            weights={"backbone": backbone, "weights": None if weights is None else str(weights)},
        ),
        "countermeasures": None if named is None else suites.countermeasures(named),
        "parts": options.names(parts),
        "pairs": _pairs_fields(pairs, pairs_pictures, pairs_split, file),
        "backdoor": backdoor or None,
        "seeds": seeds,
        "memory": memory,
        "runner": options.runner_fields(runner, runner_address, task_cores, task_gpus, task_memory),
        "device": device,
    }
    built = options.build(EvaluateConfig, options.merge(file, given))
    _check(built)
    from flows.evaluate import evaluate
    from infra.orchestration import start_server

    start_server()
    with console.show_progress():
        result = evaluate(built)
    tell(result, built.workspace, json_)


def _pairs_fields(
    pairs: str | None, pictures: str | None, split: str | None, file: dict[str, Any]
) -> dict[str, Any] | None:
    """Fields of the pairs. Raises ConfigurationError where neither an option nor the configuration file says one."""
    if pairs is None and pictures is None and split is None:
        return None
    if pairs is None and _stated(file, "pairs", "file") is None:
        raise ConfigurationError("--pairs-pictures and --pairs-split go with --pairs", "give the file of the pairs")
    if pictures is None and _stated(file, "pairs", "pictures") is None:
        raise ConfigurationError("the pairs name pictures by their keys", "give the pictures with --pairs-pictures")
    split = split or _stated(file, "pairs", "pictures", "split") or "test"
    return {"file": pairs, "pictures": {"url": pictures, "split": split}}


def _stated(file: Any, *path: str) -> Any:
    """What a configuration file states at `path`; None when it states nothing there."""
    for name in path:
        file = file.get(name) if isinstance(file, dict) else None
    return file


def _check(config: EvaluateConfig) -> None:
    """What can be said before anything of the machinery is started. Raises ConfigurationError."""
    from infra.devices import pick_device
    from tasks.evaluate import places

    places.check(config)
    if isinstance(config.runner, ThreadsRunner):  # else what counts is what the nodes have
        pick_device(config.device)


def tell(result: Evaluation, workspace: str, json_: bool) -> None:
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
    options.print_next("report", workspace, "--serve")
