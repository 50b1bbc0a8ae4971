"""Accuracy by class: of the classes that were to be protected, of the others, and of each alone."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from schemas.evaluate import VictimRun
from tasks.evaluate.per_class import counts_of, peak_counts_of
from tasks.report.display import CLEAN, records, whole_name
from tasks.report.frame import COPY, copy_of, ordered
from tasks.report.summary import CELL, finished

# Copies of which only some classes were to be protected, by their whole_name, and those classes.
Covered = Mapping[str, frozenset[str]]
CLASS_COLUMNS = [*CELL, "class", "protected", "mean", "std", "ceiling", "ceiling_std"]
_COUNTS = ["pictures", "right", "peak_right"]
_SAME_CLASS = ["dataset", "victim", "countermeasure", "class"]


def some_classes(runs: Sequence[VictimRun], covered: Covered) -> dict[str, frozenset[str]]:
    """What of `covered` leaves classes of these runs unprotected."""
    return {
        name: covered[name]
        for run in runs
        if run.method != CLEAN and (name := whole_name(copy_of(run))) in covered and set(run.classes) - covered[name]
    }


def class_rows(runs: Sequence[VictimRun], covered: Covered) -> pd.DataFrame:
    """One row a run and class: test `pictures`, how many were `right` in the end and at the best epoch.

    `row` is the run's place in `ordered(runs)`; `protected`: the class was to be protected in the run's copy;
    `peak_right` is NaN where it was not kept. Runs that left no counts have no rows.
    """
    parts = [_of_run(row, run, covered) for row, run in enumerate(ordered(runs)) if any(map(sum, counts_of(run)))]
    if not parts:
        return pd.DataFrame(columns=["row", "class", *_COUNTS, "protected"])
    return pd.concat(parts, ignore_index=True)


def most_frequent(rows: pd.DataFrame) -> tuple[str, float] | None:
    """The class with most test pictures, and its share of them in percent; `rows` from class_rows."""
    if rows.empty:
        return None
    one = rows[rows["row"] == rows["row"].iloc[0]]  # all runs of an evaluation have the same test pictures
    largest = records(one)[int(one["pictures"].to_numpy().argmax())]
    return str(largest["class"]), 100 * float(largest["pictures"]) / float(one["pictures"].sum())


def focus(frame: pd.DataFrame, rows: pd.DataFrame, classes: frozenset[str]) -> pd.DataFrame:
    """The frame with accuracies, final and peak, on test pictures of some `classes` alone; `rows` from class_rows.

    The peak is that of the epoch that is best over all classes. NaN where a run left no counts.
    """
    sums = rows[rows["class"].isin(classes)].groupby("row")[_COUNTS].sum(min_count=1).reindex(frame.index)
    return frame.assign(
        test_accuracy=(100 * sums["right"] / sums["pictures"]).astype("float64"),
        peak_test_accuracy=(100 * sums["peak_right"] / sums["pictures"]).astype("float64"),
    )


def class_means(frame: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """One row a cell and class: mean and deviation of its accuracy over seeds, beside the clean ceiling's; percent."""
    runs = finished(frame)[CELL]
    joined = rows.join(runs, on="row", how="inner")
    if joined.empty:
        return pd.DataFrame(columns=CLASS_COLUMNS)
    joined["accuracy"] = 100 * joined["right"] / joined["pictures"].where(joined["pictures"] > 0)
    cells = joined.groupby([*CELL, "class", "protected"], sort=False)["accuracy"]
    means = cells.agg(mean="mean", std="std").reset_index()
    clean = means[(means["method"] == CLEAN) & (means["part"] == "all")]
    ceilings = clean[[*_SAME_CLASS, "mean", "std"]].rename(columns={"mean": "ceiling", "std": "ceiling_std"})
    return means.merge(ceilings, on=_SAME_CLASS, how="left")[CLASS_COLUMNS]


def same_copy(frame: pd.DataFrame, row: Mapping[str, object]) -> pd.DataFrame:
    """The rows of `frame` on the copy, and the part of it, that `row` is on."""
    return frame[np.logical_and.reduce([frame[name] == row[name] for name in COPY])]


def _of_run(row: int, run: VictimRun, covered: Covered) -> pd.DataFrame:
    counts = np.array(counts_of(run), dtype=np.int64)
    peak = np.array(peak_counts_of(run), dtype=np.float64)
    chosen = covered.get(whole_name(copy_of(run)), frozenset(run.classes))
    return pd.DataFrame(
        {
            "row": row,
            "class": pd.array(run.classes, dtype="string"),
            "pictures": counts[:, 1],
            "right": counts[:, 0],
            "peak_right": peak[:, 0] if peak.shape == counts.shape else np.nan,
            "protected": [run.method != CLEAN and name in chosen for name in run.classes],
        }
    )
