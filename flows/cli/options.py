"""Options that commands share, and how a configuration is put together from a file and from them."""

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import typer
import yaml
from pydantic import BaseModel, ValidationError

from infra.errors import ConfigurationError
from schemas.place import CREDENTIALS_ERROR

_Model = TypeVar("_Model", bound=BaseModel)


def offer(known: Iterable[str]) -> Any:
    """An option whose value the shell completes, after commas too."""
    names_ = tuple(known)

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in names_ if name.startswith(last)]

    return complete


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; all else goes to stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show Prefect's log, and a traceback when it fails.")]
Device = Annotated[
    str | None,
    typer.Option(help="auto, cpu or cuda.", show_default="auto", autocompletion=offer(("auto", "cpu", "cuda"))),
]
Config = Annotated[Path | None, typer.Option(help="YAML or JSON file with any field; options take precedence.")]
Workspace = Annotated[str, typer.Option(help="Private place for noise, markers and reports; never published.")]
Split = Annotated[str | None, typer.Option(help="Split of the source to take.", show_default="train")]
Limit = Annotated[int | None, typer.Option(help="Take the first so many samples only.")]
Format = Annotated[
    str | None, typer.Option("--format", help="auto, folder, webdataset, parquet, torchvision or digits.")
]
LabelField = Annotated[
    str | None, typer.Option(help="Where the label is: a member, a field of the json, or a Parquet column.")
]
ImageField = Annotated[str | None, typer.Option(help="Which member or Parquet column is the picture.")]

Runner = Annotated[
    str | None,
    typer.Option(
        help="Where tasks run: threads, ray or dask.",
        show_default="threads",
        autocompletion=offer(("threads", "ray", "dask")),
    ),
]
RunnerAddress = Annotated[
    str | None, typer.Option(help="HOST:PORT of a cluster.", show_default="a cluster on this machine")
]
TaskCores = Annotated[int | None, typer.Option(help="Cores a task, on a cluster.", show_default="1")]
TaskGpus = Annotated[float | None, typer.Option(help="GPUs a task, on a cluster; .5: two share one.", show_default="0")]
TaskMemory = Annotated[int | None, typer.Option(help="Bytes of memory a task, on a cluster.")]


def read_config(path: Path | None) -> dict[str, Any]:
    """Fields from a YAML or JSON file; {} without one. Raises ConfigurationError."""
    if path is None:
        return {}
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"configuration {path} can't be read: {error}", "give a YAML or JSON file") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"configuration {path} is no mapping of fields", "write FIELD: VALUE, a line each")
    return found


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with what `over` states (None states nothing), mappings within mappings alike."""
    merged = dict(base)
    for name, value in over.items():
        if isinstance(value, Mapping):
            inner = merged.get(name)
            below = merge(inner if isinstance(inner, Mapping) else {}, value)
            if below:
                merged[name] = below
        elif value is not None:
            merged[name] = value
    return merged


def runner_fields(
    kind: str | None, address: str | None, cores: int | None, gpus: float | None, memory: int | None
) -> dict[str, Any]:
    """Fields of a runner from options."""
    return {"kind": kind, "address": address, "cores": cores, "gpus": gpus, "memory": memory}


def build(model: type[_Model], fields: Mapping[str, Any]) -> _Model:
    """A schema from plain fields. Raises ConfigurationError that names the first field that is wrong."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or model.__name__
        secret = first["type"] == CREDENTIALS_ERROR
        given = "" if secret or isinstance(first["input"], Mapping) else f" (given: {first['input']!r})"
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{where}: {message}{given}", "see --help, or docs/ for the fields") from error


def kinds(union: Any) -> dict[str, type[BaseModel]]:
    """The schemas of a discriminated union, by kind."""
    return {each.model_fields["kind"].default: each for each in get_args(get_args(union)[0])}


def names(text: str | None) -> list[str] | None:
    """`a,b` -> ["a", "b"]; None stays None."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def print_next(*words: str) -> None:
    """The last line of what a person is told: the command that comes next, ready to be pasted into a shell."""
    print(f"Next: unlearnable {shlex.join(words)}")


def print_json(content: Any) -> None:
    """The one JSON object of a command, on stdout."""
    print(json.dumps(content, ensure_ascii=True, allow_nan=False))
