"""Means over seeds of what victims were asked besides the test pictures: faces verified, triggers obeyed."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from schemas.evaluate import Verification, VictimRun
from tasks.report.display import CLEAN
from tasks.report.frame import ordered, own_trigger
from tasks.report.summary import CELL

FAR = 0.01
FACE_COLUMNS = [
    *CELL,
    *("seeds", "mean", "std", "far", "tar", "tar_std"),
    *("ceiling", "ceiling_std", "ceiling_tar", "ceiling_tar_std"),
]
TRIGGER_COLUMNS = [*CELL, "trigger", "own", "seeds", "mean", "std", "ceiling", "ceiling_std"]
_BASELINE = ["dataset", "victim", "countermeasure"]


def face_means(runs: Sequence[VictimRun]) -> pd.DataFrame:
    """One row a cell whose victims verified faces: AUC (`mean`, `std`) and TAR, 0 to 1, over seeds.

    `tar` is at the false acceptance rate `far`, the one nearest to FAR that was measured. The ceiling is the clean
    baseline's under the same victim and countermeasure.
    """
    rows = [
        {**_cell(run), "auc": run.verification.auc, "far": far, "tar": tar}
        for run in ordered(runs)
        if run.verification and not run.diverged
        for far, tar in [_nearest(run.verification)]
    ]
    measured = _frame(rows, [*CELL, "auc", "far", "tar"])
    means = measured.groupby(CELL, sort=False).agg(
        seeds=("auc", "size"),
        mean=("auc", "mean"),
        std=("auc", "std"),
        far=("far", "first"),
        tar=("tar", "mean"),
        tar_std=("tar", "std"),
    )
    return _beside(means.reset_index(), _BASELINE, ["mean", "std", "tar", "tar_std"])[FACE_COLUMNS]


def trigger_means(runs: Sequence[VictimRun]) -> pd.DataFrame:
    """One row a cell and trigger: success in percent over seeds; `own`: the trigger is the copy's own noise.

    The ceiling column is the same trigger's success on the clean baseline, which never saw it.
    """
    rows = [
        {**_cell(run), "trigger": each.trigger, "own": each.trigger == own_trigger(run), "success": each.success}
        for run in ordered(runs)
        if not run.diverged
        for each in run.backdoor
    ]
    keys = [*CELL, "trigger", "own"]
    measured = _frame(rows, [*keys, "success"])
    means = measured.groupby(keys, sort=False)["success"].agg(seeds="size", mean="mean", std="std")
    return _beside(means.reset_index(), [*_BASELINE, "trigger"], ["mean", "std"])[TRIGGER_COLUMNS]


def _nearest(found: Verification) -> tuple[float, float]:
    return min(found.tar_at_far, key=lambda point: abs(point[0] - FAR), default=(FAR, float("nan")))


def _beside(means: pd.DataFrame, same: list[str], measures: list[str]) -> pd.DataFrame:
    """The means with the clean baseline's own `measures` beside them, as `ceiling...`."""
    clean = means[(means["method"] == CLEAN) & (means["part"] == "all")][[*same, *measures]]
    named = {name: "ceiling" if name == "mean" else f"ceiling_{name}" for name in measures}
    return means.merge(clean.rename(columns=named), on=same, how="left")


def _cell(run: VictimRun) -> dict[str, Any]:
    return {name: getattr(run, name) for name in CELL}


def _frame(rows: Iterable[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=columns)
