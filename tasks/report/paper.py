"""A table or figure of the paper with ours beside it: markdown, csv, the runs behind it, drawings, and a record."""

import time
from collections.abc import Sequence
from importlib.metadata import version
from statistics import fmean, stdev

import pandas as pd

from infra.devices import device_kind, pick_device
from infra.storage import Folder
from schemas.evaluate import VictimRun
from schemas.experiments import Experiment, Outcome, PaperResult, ReproduceConfig, ResultRecord
from tasks.report import paper_figures
from tasks.report.display import MISSING
from tasks.report.frame import curves, frame

MARKER = "result.json"
SMALL = (
    "Small scale: a subset of the pictures and small nets. These numbers show which of the paper's findings appear in "
    "small; none of them is to be compared with the paper's to the point."
)
_VERSIONS = ("unlearnable", "torch", "torchvision")
Found = Sequence[tuple[Experiment, tuple[VictimRun, ...], Outcome]]


def write_result(
    folder: Folder, result: PaperResult, config: ReproduceConfig, found: Found, started: float
) -> ResultRecord:
    """Write a result into `folder`, result.json last. `started`: time.perf_counter() at its beginning."""
    folder.delete(MARKER)
    outcomes = [outcome for *_, outcome in found]
    runs = [run for _, several, _ in found for run in several]
    drawings = paper_figures.draw(result, found, config.scale)
    record = ResultRecord(
        name=result.name,
        title=result.title,
        finding=result.finding,
        scale=config.scale,
        command=command_of(result, config),
        outcomes=tuple(outcomes),
        seconds=time.perf_counter() - started,
        device=device_kind(pick_device(config.device)),
        versions={name: version(name) for name in _VERSIONS},
        files=("table.md", "outcomes.csv", *(["runs.csv", "curves.csv"] if runs else []), *drawings),
    )
    folder.write("table.md", markdown(record).encode())
    folder.write("outcomes.csv", _csv(_outcome_frame(outcomes)))
    if runs:
        folder.write("runs.csv", _csv(frame(runs)))
        folder.write("curves.csv", _csv(curves(runs)))
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


def markdown(record: ResultRecord) -> str:
    """The page of a result: what it shows, its table, what the paper finds, and how it was made."""
    label = [SMALL, ""] if record.scale == "small" else []
    made = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    lines = [
        f"## {record.name}: {record.title}",
        "",
        *label,
        *_table(record.outcomes),
        "",
        f"{_legend(record.outcomes)} The paper: {record.finding}",
        "",
        f"`{record.command}`, {record.seconds / 60:.1f} minutes in this run; {record.device}, {made}.",
        "",
    ]
    return "\n".join(lines)


def _legend(outcomes: Sequence[Outcome]) -> str:
    kinds = {one.measured for one in outcomes}
    units = {
        "accuracy": "Accuracy on clean test pictures in percent.",
        "auc": "AUC from 0 to 1, .5 is guessing.",
        "tar": "True acceptance rate from 0 to 1.",
        "backdoor": "Success of the trigger in percent.",
        "cost": "Time to make and write the noise in percent of a training run.",
    }
    cells = "Each cell: the paper's number | ours, mean ± standard deviation over seeds (difference)."
    return " ".join([*(text for kind, text in units.items() if kind in kinds), cells])


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    """The outcomes as a markdown table: rows and columns as in the paper."""
    columns = list(dict.fromkeys(one.column for one in outcomes))
    rows = list(dict.fromkeys(one.row for one in outcomes))
    cells = {(one.row, one.column): text(one) for one in outcomes}
    head = f"| | {' | '.join(columns)} |"
    lines = [f"| {row} | {' | '.join(cells.get((row, c), '') for c in columns)} |" for row in rows]
    return [head, "| :-- |" + " --: |" * len(columns), *lines]


def text(one: Outcome) -> str:
    """One cell: the paper's number, ours, and the difference, such as 19.93 | 16.09 ± 0.84 (-3.84)."""
    digits = 4 if one.measured in {"auc", "tar"} else 2
    paper = "" if one.paper is None else f"{one.paper:.{digits}f} \\| "
    if not one.values:
        return f"{paper}{MISSING} ({one.diverged} diverged)"
    mean = fmean(one.values)
    spread = f" ± {stdev(one.values):.{digits}f}" if len(one.values) > 1 else ""
    difference = "" if one.paper is None else f" ({mean - one.paper:+.{digits}f})"
    lost = f", {one.diverged} diverged" if one.diverged else ""
    return f"{paper}{mean:.{digits}f}{spread}{difference}{lost}"


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


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()
