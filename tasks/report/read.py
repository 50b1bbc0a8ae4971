"""A report's tables read again: the frame is the truth, so that all that was drawn from it can be drawn anew."""

import io
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from infra.errors import DataError
from infra.storage import Folder
from schemas.evaluate import Backdoor, EpochPoint, Verification, VictimRun
from tasks.report.display import records
from tasks.report.frame import CURVE_DTYPES, DTYPES
from tasks.report.tidy import BACKDOOR_DTYPES, CLASS_DTYPES, CONFUSION_DTYPES, ROC_DTYPES, VERIFICATION_DTYPES

MARKER, CONTEXT = "report.json", "context.json"
# Beside the frame, each with its columns; the last three are written where they were measured.
_TABLES: dict[str, dict[str, str]] = {
    "curves": CURVE_DTYPES,
    "confusion": CONFUSION_DTYPES,
    "per_class": CLASS_DTYPES,
    "verification": VERIFICATION_DTYPES,
    "roc": ROC_DTYPES,
    "backdoor": BACKDOOR_DTYPES,
}
# Came later: a table from before it is a report's all the same.
_LATER = ("peak_right",)
Rows = dict[Hashable, list[dict[str, Any]]]


def read_frame(folder: Folder) -> pd.DataFrame:
    """The frame of a report. Raises DataError for a file that is damaged or another program's, StorageError."""
    return _read(folder, "results", DTYPES)


def read_runs(folder: Folder, classes: Mapping[str, Sequence[str]]) -> list[VictimRun]:
    """The runs that a report's tables tell of, in the frame's order; `classes` are the class names by dataset.

    Tables that are missing are told by what the runs lack then. Raises as `read_frame` does.
    """
    frame, names = read_frame(folder), set(folder.list())
    tables = {
        name: _read(folder, name, dtypes) if f"{name}.parquet" in names else pd.DataFrame(columns=list(dtypes))
        for name, dtypes in _TABLES.items()
    }
    by_run = {name: _grouped(tables[name], ["inputs"]) for name in ("curves", "verification", "roc", "backdoor")}
    by_cell = {name: _grouped(tables[name], ["inputs", "countermeasure"]) for name in ("confusion", "per_class")}
    return [_run(row, by_run, by_cell, classes.get(row["dataset"], ())) for row in records(frame)]


def _read(folder: Folder, name: str, dtypes: Mapping[str, str]) -> pd.DataFrame:
    file = f"{name}.parquet"
    try:
        table = pq.read_table(io.BytesIO(folder.read(file))).to_pandas()
    except pa.ArrowException as error:
        problem = f"{folder.object_url(file)} can't be read as Parquet ({error})"
        raise DataError(problem, "copy it again from where it was written, or evaluate again") from error
    table = table.assign(**{column: float("nan") for column in _LATER if column in dtypes and column not in table})
    if missing := [column for column in dtypes if column not in table]:
        problem = f"{folder.object_url(file)} is no {file} of a report: it has no column {missing[0]}"
        raise DataError(problem, "give the folder of a report, with the tables that were written there")
    try:
        return table[list(dtypes)].astype(dict(dtypes))
    except (ValueError, TypeError) as error:
        problem = f"{folder.object_url(file)} holds values that are no report's ({error})"
        raise DataError(problem, "give the folder of a report, with the tables that were written there") from error


def _grouped(table: pd.DataFrame, keys: list[str]) -> Rows:
    rows: Rows = {}
    for row in records(table):
        rows.setdefault(tuple(row[key] for key in keys), []).append(row)
    return rows


def _run(
    row: dict[str, Any], by_run: Mapping[str, Rows], by_cell: Mapping[str, Rows], named: Sequence[str]
) -> VictimRun:
    run, cell = (row["inputs"],), (row["inputs"], row["countermeasure"])
    counts = by_cell["per_class"].get(cell, [])
    classes = _classes(row["classes"], named, [each["class"] for each in counts])
    plain = {name: row[name] for name in DTYPES if name not in ("classes", "auc", "trigger_success")}
    peaks = [each["peak_right"] for each in counts]
    known = [] if any(map(pd.isna, peaks)) else peaks
    return VictimRun(
        **plain,
        classes=classes,
        curve=tuple(EpochPoint(**_without(each, "inputs")) for each in by_run["curves"].get(run, [])),
        confusion=_matrix(by_cell["confusion"].get(cell, []), classes),
        per_class=tuple((each["right"], each["pictures"]) for each in counts),
        peak_per_class=tuple((int(right), each["pictures"]) for right, each in zip(known, counts, strict=False)),
        verification=_verification(by_run["verification"].get(run, []), by_run["roc"].get(run, [])),
        backdoor=tuple(Backdoor(**_without(each, "inputs")) for each in by_run["backdoor"].get(run, [])),
    )


def _classes(number: int, named: Sequence[str], counted: list[str]) -> tuple[str, ...]:
    """Class names in their order: as told, as counted, or as numbers where neither is of so many classes."""
    for names in (named, counted):
        if len(names) == number:
            return tuple(names)
    return tuple(f"class {at}" for at in range(number))


def _matrix(cells: list[dict[str, Any]], classes: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Counts by true class and answer; empty without any, or with a class that is none of these."""
    place = {name: at for at, name in enumerate(classes)}
    if not cells or any(cell[name] not in place for cell in cells for name in ("true", "answer")):
        return ()
    counts = [[0] * len(classes) for _ in classes]
    for cell in cells:
        counts[place[cell["true"]]][place[cell["answer"]]] = cell["count"]
    return tuple(map(tuple, counts))


def _verification(rows: list[dict[str, Any]], roc: list[dict[str, Any]]) -> Verification | None:
    if not rows:
        return None
    first = rows[0]
    return Verification(
        pairs=first["pairs"],
        same=first["same"],
        auc=first["auc"],
        tar_at_far=tuple((row["far"], row["tar"]) for row in rows),
        roc=tuple((row["far"], row["tar"]) for row in roc),
    )


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}
