"""A table or figure of the paper with ours beside it: markdown, csv, the runs behind it, drawings, and a record."""

import time
from collections.abc import Sequence
from importlib.metadata import version
from statistics import fmean, stdev

import pandas as pd

from infra.devices import device_kind, pick_device
from infra.storage import Folder
from schemas.experiments import DataUsed, Outcome, PaperResult, ReproduceConfig, ResultRecord, Scale
from tasks.report import paper_figures
from tasks.report.frame import curves, frame
from tasks.report.paper_found import Found
from tasks.report.paper_page import markdown

MARKER = "result.json"
_VERSIONS = ("unlearnable", "torch", "torchvision")


def write_result(
    folder: Folder,
    result: PaperResult,
    config: ReproduceConfig,
    data: Sequence[DataUsed],
    found: Found,
    started: float,
) -> ResultRecord:
    """Write a result into `folder`, result.json last; what else lies there, of an earlier result, is removed.

    `data`: what stood for the datasets. `started`: time.perf_counter() at its beginning. Raises StorageError.
    """
    tables = _tables(found, config.scale)
    drawings = paper_figures.draw(result, found, config.scale)
    record = ResultRecord(
        name=result.name,
        title=result.title,
        finding=result.finding,
        scale=config.scale,
        command=command_of(result, config),
        data=tuple(data),
        outcomes=tuple(outcome for *_, outcome in found),
        seconds=time.perf_counter() - started,
        device=device_kind(pick_device(config.device)),
        versions={name: version(name) for name in _VERSIONS},
        files=("table.md", *tables, *drawings),
    )
    _clear(folder, record)
    folder.write("table.md", markdown(record).encode())
    for name, table in tables.items():
        folder.write(name, table.to_csv(index=False, lineterminator="\n").encode())
    for name, drawing in drawings.items():
        folder.write(name, drawing.encode())
    folder.save(MARKER, record)
    return record


def command_of(result: PaperResult, config: ReproduceConfig) -> str:
    """The command that makes it again; what is specific to a machine (places) is left to the reader."""
    options = [
        f"--datasets {','.join(config.datasets)}" if config.datasets else "",
        f"--victims {','.join(config.victims)}" if config.victims else "",
        f"--seeds {config.seeds}",
        "" if config.scale == "full" else f"--scale {config.scale}",
        f"--noise-seed {config.noise_seed}" if config.noise_seed else "",
    ]
    return " ".join(filter(None, ["unlearnable reproduce", result.name, *options]))


def _clear(folder: Folder, record: ResultRecord) -> None:
    """Remove the marker, so that a half-written folder has none, then all that the new record doesn't name."""
    folder.delete(MARKER)
    for name in folder.list():
        if name not in record.files:
            folder.delete(name)


def _tables(found: Found, scale: Scale) -> dict[str, pd.DataFrame]:
    """The csv files by name; each row says at which scale it was made."""
    runs = [run for _, several, _ in found for run in several]
    tables = {"outcomes.csv": _outcome_frame([outcome for *_, outcome in found])}
    if runs:
        tables |= {"runs.csv": frame(runs), "curves.csv": curves(runs)}
    return {name: table.assign(scale=scale) for name, table in tables.items()}


def _outcome_frame(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    rows = [
        {
            **one.model_dump(exclude={"values"}),
            "mean": fmean(one.values) if one.values else None,
            "std": stdev(one.values) if len(one.values) > 1 else None,
            "seeds": len(one.values),
            "values": " ".join(f"{value:.4f}" for value in one.values),
        }
        for one in outcomes
    ]
    return pd.DataFrame(rows)
