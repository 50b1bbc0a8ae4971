"""The options that describe a job, declared once: `protect` does it, and `plan` tells what it would do."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args

import typer

from flows.cli import options
from infra.errors import ConfigurationError
from infra.machine import cores
from schemas.networks import NetworkName
from schemas.noise import Form, NoiseMethod, Procedure
from schemas.presets import Preset
from schemas.protect import ProtectConfig

Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="Dataset: path, fsspec URL, glob, `digits` or torchvision://NAME.")
]
Destination = Annotated[str, typer.Argument(metavar="DEST", help="Where the protected copy goes.")]


def given(
    source: Source,
    dest: Destination,
    method: Annotated[
        str | None,
        typer.Option(
            help=f"{', '.join(options.kinds(NoiseMethod))}.",
            show_default="error-minimizing",
            autocompletion=options.offer(options.kinds(NoiseMethod)),
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="standard, fast, or paper (Huang et al. 2021).", autocompletion=options.offer(get_args(Preset))
        ),
    ] = None,
    form: Annotated[
        str | None, typer.Option(help="sample-wise or class-wise.", autocompletion=options.offer(get_args(Form)))
    ] = None,
    procedure: Annotated[
        str | None,
        typer.Option(
            help="Sample-wise: two-phase, or joint as in the paper.", autocompletion=options.offer(get_args(Procedure))
        ),
    ] = None,
    epsilon: Annotated[
        int | None, typer.Option(help="Budget in steps of 1/255; l2 has no default.", show_default="8")
    ] = None,
    norm: Annotated[
        str | None,
        typer.Option(
            help="linf: a value's; l2: a picture's.", show_default="linf", autocompletion=options.offer(("linf", "l2"))
        ),
    ] = None,
    patch: Annotated[int | None, typer.Option(help="Side of a patch that holds the noise, in pixels.")] = None,
    mixture: Annotated[
        str | None,
        typer.Option(
            help="Class-wise: none, two-sets or with-uniform.",
            autocompletion=options.offer(("none", "two-sets", "with-uniform")),
        ),
    ] = None,
    arithmetic: Annotated[
        str | None,
        typer.Option(
            help="corrected, or as-published: negative noise lost.",
            autocompletion=options.offer(("corrected", "as-published")),
        ),
    ] = None,
    source_model: Annotated[
        str | None,
        typer.Option(
            help="tiny or resnet18: the network that makes the noise.",
            autocompletion=options.offer(get_args(NetworkName)),
        ),
    ] = None,
    working_size: Annotated[int | None, typer.Option(help="Side in pixels at which noise is made.")] = None,
    fit_samples: Annotated[int | None, typer.Option(help="Pictures that the fit sees.")] = None,
    max_rounds: Annotated[int | None, typer.Option(help="Rounds of the fit at most.")] = None,
    public: Annotated[str | None, typer.Option(help="Public dataset to fit the noise on.")] = None,
    mapping: Annotated[str | None, typer.Option(help="YAML or JSON: private class -> public class.")] = None,
    matching: Annotated[
        str | None,
        typer.Option(
            help="Public classes: by name, visual, or as context.",
            show_default="name",
            autocompletion=options.offer(("name", "visual", "context")),
        ),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Visual: a torchvision network whose weights are at hand.")
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Protect these classes only: a,b.")] = None,
    fraction: Annotated[float | None, typer.Option(help="Protect this share of the samples only.")] = None,
    split: options.Split = None,
    limit: options.Limit = None,
    format_: options.Format = None,
    label_field: options.LabelField = None,
    image_field: options.ImageField = None,
    shard_size: Annotated[int | None, typer.Option(help="Samples a shard, where shards are written.")] = None,
    max_bad_share: Annotated[float | None, typer.Option(help="Stop when more of the samples are bad.")] = None,
    max_pixels: Annotated[int | None, typer.Option(help="Never decode a picture that declares more pixels.")] = None,
    orphans: Annotated[
        str | None,
        typer.Option(
            help="Copies of shards that are gone from the source: keep or remove.",
            show_default="keep",
            autocompletion=options.offer(("keep", "remove")),
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Shards worked on at a time.", show_default="cores / --task-cores")
    ] = None,
    runner: options.Runner = None,
    runner_address: options.RunnerAddress = None,
    task_cores: options.TaskCores = None,
    task_gpus: options.TaskGpus = None,
    task_memory: options.TaskMemory = None,
    device: options.Device = None,
    key_file: Annotated[str | None, typer.Option(help="File with the bucket's secret key.")] = None,
    config: options.Config = None,
) -> dict[str, Any]:
    """Fields of a ProtectConfig from these options and the file that they may name; the options take precedence."""
    stated = {
        "source": source_fields(source, split, limit, format_, label_field, image_field)
        | {"shard_size": shard_size, "max_bad_share": max_bad_share, "max_pixels": max_pixels},
        "destination": dest,
        "budget": {"epsilon": epsilon, "norm": norm},
        "application": {"placement": {"patch": patch}, "mixture": mixture, "arithmetic": arithmetic},
        "method": {
            "kind": method,
            "preset": preset,
            "form": form,
            "procedure": procedure,
            "source_model": source_model,
            "working_size": working_size,
            "fit_samples": fit_samples,
            "max_rounds": max_rounds,
        },
        "public": {"url": public},
        "mapping": mapping,
        "matching": {"how": matching, "backbone": backbone},
        "coverage": {"classes": options.names(classes), "fraction": fraction},
        "orphans": orphans,
        "workers": workers,
        "runner": options.runner_fields(runner, runner_address, task_cores, task_gpus, task_memory),
        "device": device,
        "key_file": key_file,
    }
    return options.merge(options.read_config(config), stated)


def takes_a_job(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with the options of `given` beside its own; its first parameter takes the fields that they state.

    Typer reads a signature: the one that it is shown names the options of both.
    """
    shared = inspect.signature(given).parameters
    own = list(inspect.signature(command).parameters.values())[1:]

    @functools.wraps(command)
    def run(**stated: Any) -> None:
        ours = {each.name: stated.pop(each.name) for each in own}
        command(given(**stated), **ours)

    required_first = sorted((*shared.values(), *own), key=lambda each: each.default is not each.empty)
    vars(run)["__signature__"] = inspect.Signature(required_first)
    return run


def source_fields(
    url: str,
    split: str | None,
    limit: int | None,
    format_: str | None,
    label_field: str | None,
    image_field: str | None,
) -> dict[str, Any]:
    """Fields of a SourceSpec from options."""
    return {
        "url": url,
        "split": split,
        "limit": limit,
        "format": format_,
        "label_field": label_field,
        "image_field": image_field,
    }


def config_of(fields: dict[str, Any]) -> ProtectConfig:
    """The configuration of a job."""
    return options.build(ProtectConfig, with_defaults(fields))


def with_defaults(fields: dict[str, Any]) -> dict[str, Any]:
    """A job's fields, the method error-minimizing, and as many workers as the cores bear, where nothing is stated.

    Raises ConfigurationError when the workers are those of a cluster elsewhere and their number is not stated.
    """
    if isinstance(fields.get("method"), dict):
        fields["method"].setdefault("kind", "error-minimizing")
    runner = fields.get("runner")
    if "workers" not in fields and isinstance(runner, dict) and runner.get("address"):
        mend = "say with --workers how many shards it works on at a time"
        raise ConfigurationError(f"how large the cluster at {runner['address']} is can't be seen from here", mend)
    asked = runner.get("cores") if isinstance(runner, dict) else None
    fields.setdefault("workers", max(1, cores() // asked) if isinstance(asked, int) and asked > 0 else cores())
    return fields
