"""Means and spreads over seeds, beside the clean ceiling and chance; and the worst case over the countermeasures."""

from typing import Any

import numpy as np
import pandas as pd

from tasks.report.display import CLEAN, PLAIN, records
from tasks.report.frame import COPY

CELL = [*COPY, "victim", "countermeasure"]
_BASELINE = ["dataset", "victim", "countermeasure"]
_MEASURES = ["seeds", "diverged", "mean", "std", "peak_mean", "ceiling", "ceiling_std", "chance", "kept"]
SUMMARY_COLUMNS = [*CELL, *_MEASURES]
WORST_COLUMNS = [
    *SUMMARY_COLUMNS,
    "peak_countermeasure",
    "highest_peak",
    "plain_mean",
    "plain_std",
    "plain_ceiling",
    "plain_kept",
    "tried",
]


def finished(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs that count: not diverged, and with an accuracy."""
    return frame[~frame["diverged"] & frame["test_accuracy"].notna()]


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a dataset, copy, part of it, victim and countermeasure, in the frame's order; also of the baseline.

    `seeds` that finished and runs that `diverged` (left out of everything else); `mean`, sample standard
    deviation `std` (NaN for one run), `peak_mean` and `ceiling` in percent: the ceiling is the clean baseline's
    mean, all of it trained on, under the same victim and countermeasure. `chance` = 100 / classes. `kept` =
    (ceiling - mean) / (ceiling - chance), at most 1; NaN without a ceiling above chance, and for the clean part of a
    copy: what the unprotected rest teaches by itself is a reference, no protection.
    """
    cells = [{**dict(zip(CELL, key, strict=True)), **_measure(cell)} for key, cell in frame.groupby(CELL, sort=False)]
    clean = finished(frame[(frame["method"] == CLEAN) & (frame["part"] == "all")])
    ceilings = clean.groupby(_BASELINE)["test_accuracy"].agg(ceiling="mean", ceiling_std="std").reset_index()
    summary = pd.DataFrame(cells).astype(frame[CELL].dtypes.to_dict()).merge(ceilings, on=_BASELINE, how="left")
    room = summary["ceiling"] - summary["chance"]
    kept = ((summary["ceiling"] - summary["mean"]) / room.where(room > 0)).clip(upper=1)
    summary["kept"] = kept.where(is_protected(summary))
    return summary[SUMMARY_COLUMNS]


def is_protected(summary: pd.DataFrame) -> pd.Series:
    """Which rows are on protected pictures, in part at least: neither the clean baseline nor a copy's clean part."""
    return (summary["method"] != CLEAN) & (summary["part"] != "clean")


def _measure(cell: pd.DataFrame) -> dict[str, Any]:
    runs = finished(cell)
    classes = int(cell["classes"].max())
    return {
        "seeds": runs["seed"].nunique(),
        "diverged": len(cell) - len(runs),
        "mean": runs["test_accuracy"].mean(),
        "std": runs["test_accuracy"].std(ddof=1),
        "peak_mean": runs["peak_test_accuracy"].mean(),
        "chance": 100 / classes if classes else np.nan,
    }


def worst_case(summary: pd.DataFrame) -> pd.DataFrame:
    """One row a protected copy and victim: the summary's row of the countermeasure with the highest mean accuracy.

    Beside it `peak_countermeasure` and `highest_peak` (the highest peak_mean of any countermeasure), the plain
    number (`plain_mean`, `plain_std`, `plain_ceiling`, `plain_kept`; NaN when plain training was not run) and how
    many countermeasures were `tried` besides none. A copy and victim of which no run finished has no row.
    """
    measured = summary[is_protected(summary) & summary["mean"].notna()]
    rows = [_worst(cells) for _, cells in measured.groupby([*COPY, "victim"], sort=False)]
    return pd.DataFrame(rows, columns=WORST_COLUMNS)


def _worst(cells: pd.DataFrame) -> dict[str, Any]:
    rows = records(cells)
    highest = rows[int(cells["mean"].to_numpy().argmax())]
    peak = rows[int(cells["peak_mean"].fillna(-1).to_numpy().argmax())]
    plain = cells[cells["countermeasure"] == PLAIN]
    first = {name: float(plain[name].iloc[0]) if len(plain) else np.nan for name in ("mean", "std", "ceiling", "kept")}
    return {
        **highest,
        "peak_countermeasure": peak["countermeasure"],
        "highest_peak": peak["peak_mean"],
        **{f"plain_{name}": value for name, value in first.items()},
        "tried": int((cells["countermeasure"] != PLAIN).sum()),
    }
