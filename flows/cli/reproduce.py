"""`unlearnable reproduce`."""

from typing import Annotated, Any

import typer

from flows.cli import console, options
from infra.errors import ConfigurationError
from infra.machine import cores
from schemas.experiments import PaperResult, ReproduceConfig, Reproduced


def command(
    experiments: Annotated[
        list[str] | None, typer.Argument(metavar="EXPERIMENT...", help="Such as table1 or fig2; `all` for all.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List all tables and figures, and end.")] = False,
    workspace: Annotated[
        str | None, typer.Option(help="Private place for noise, copies, runs, results.", show_default="reproduction")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="Where a dataset lies: NAME=URL; more than once for several.")
    ] = None,
    data_folder: Annotated[str | None, typer.Option(help="Folder or bucket with a subfolder a dataset.")] = None,
    datasets: Annotated[str | None, typer.Option(help="These alone: cifar10,svhn.")] = None,
    victims: Annotated[str | None, typer.Option(help="These alone: resnet18,vgg11.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each cell.", show_default="3")] = None,
    noise_seed: Annotated[int | None, typer.Option(help="What noise is drawn from.", show_default="0")] = None,
    scale: Annotated[
        str | None, typer.Option(help="full, or small: a subset and small nets.", show_default="full")
    ] = None,
    device: options.Device = None,
    config: options.Config = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Reproduce tables and figures of the paper (Huang et al. 2021), ours beside the paper's numbers."""
    del debug
    from flows.paper import catalogue

    if list_:
        _list(catalogue.ALL, json_)
        return
    given = {
        "experiments": experiments or None,
        "workspace": workspace,
        "data": _places(data),
        "data_folder": data_folder,
        "datasets": options.names(datasets),
        "victims": options.names(victims),
        "seeds": seeds,
        "noise_seed": noise_seed,
        "scale": scale,
        "device": device,
    }
    fields = options.merge(options.read_config(config), given)
    fields.setdefault("workspace", "reproduction")
    fields.setdefault("workers", cores())
    if not fields.get("experiments"):
        raise ConfigurationError("no experiment is named", "name some, such as table1, or see reproduce --list")
    built = options.build(ReproduceConfig, fields)
    from flows.paper import checks

    checks.check(catalogue.chosen(built), built)
    from flows.reproduce import reproduce
    from infra.orchestration import start_server

    start_server()
    with console.show_progress():
        found = reproduce(built)
    _tell(found, json_)


def _places(given: list[str] | None) -> dict[str, str] | None:
    if given is None:
        return None
    pairs = [text.partition("=") for text in given]
    wrong = next((name for name, sign, url in pairs if not (name and sign and url)), None)
    if wrong is not None:
        raise ConfigurationError(f"--data {wrong} says no place", "write NAME=URL, such as svhn=/data/svhn")
    return {name: url for name, _, url in pairs}


def _list(results: tuple[PaperResult, ...], json_: bool) -> None:
    rows = [_summary(result) for result in results]
    if json_:
        options.print_json({"experiments": rows})
        return
    for row in rows:
        print(f"{row['name']:8}{row['title']}")
        print(
            f"        {row['numbers']} numbers, {row['published']} with the paper's beside them; "
            f"{', '.join(row['datasets'])}; {', '.join(row['victims'])}"
        )


def _summary(result: PaperResult) -> dict[str, Any]:
    every = result.experiments
    others = [name for one in every for name in (one.beside, one.noise and one.noise.public) if name]
    pairs = ["face-pairs"] if any(one.measured in {"auc", "tar"} for one in every) else []
    return {
        "name": result.name,
        "title": result.title,
        "finding": result.finding,
        "numbers": len(every),
        "published": sum(one.paper is not None for one in every),
        "datasets": list(dict.fromkeys([*(one.dataset for one in every), *others, *pairs])),
        "victims": list(dict.fromkeys(one.victim.name for one in every)),
    }


def _tell(found: Reproduced, json_: bool) -> None:
    if json_:
        options.print_json(found.model_dump(mode="json"))
        return
    from tasks.report.paper import markdown

    for result in found.results:
        print(markdown(result))
    print(f"Results: {found.folder}")
