"""The tidy frame: one row a training run. Everything else in a report is drawn from it."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from infra.errors import DataError
from schemas.evaluate import VictimRun
from tasks.report.display import CLEAN, PLAIN, TWO_DECIMALS, records

DTYPES: dict[str, str] = {
    "dataset": "string",
    "method": "string",
    "form": "string",
    "epsilon": "int64",
    "fraction": "float64",
    "variant": "string",
    "victim": "string",
    "countermeasure": "string",
    "seed": "int64",
    "test_accuracy": "float64",
    "peak_test_accuracy": "float64",
    "train_accuracy": "float64",
    "epochs": "int64",
    "seconds": "float64",
    "samples": "int64",
    "test_samples": "int64",
    "classes": "int64",
    "device": "string",
    "precision": "string",
    "diverged": "bool",
    "inputs": "string",
}
_MEASURED = tuple(DTYPES)[: tuple(DTYPES).index("seconds") + 1]
# `variant` came later and goes last: whoever reads the others by their order still may.
STABLE_KEYS = (*(name for name in _MEASURED if name != "variant"), "variant")
CURVE_DTYPES = {
    "inputs": "string",
    "epoch": "int64",
    "loss": "float64",
    "train_accuracy": "float64",
    "test_accuracy": "float64",
}
CONFUSION_DTYPES = {"inputs": "string", "true": "string", "answer": "string", "count": "int64"}


def ordered(runs: Sequence[VictimRun]) -> list[VictimRun]:
    """The runs in the report's order, the clean baseline and plain training first; a run given twice counts once.

    Raises DataError when there are none.
    """
    if not runs:
        raise DataError("there are no runs to report on", "evaluate at least one victim first")
    # Digest and cell together: two records of one run must not pass for two seeds.
    distinct = {(run.inputs, *_position(run)): run for run in reversed(runs)}
    return sorted(distinct.values(), key=_position)


def frame(runs: Sequence[VictimRun]) -> pd.DataFrame:
    """One row a run, accuracies in percent; columns and dtypes of DTYPES, `classes` is their number.

    Raises DataError when there are no runs.
    """
    rows = [{**run.model_dump(include=set(DTYPES)), "classes": len(run.classes)} for run in ordered(runs)]
    return pd.DataFrame(rows, columns=list(DTYPES)).astype(DTYPES)


def curves(runs: Sequence[VictimRun]) -> pd.DataFrame:
    """One row an epoch of a run: loss in nats, accuracies in percent. Raises DataError when there are no runs."""
    rows = [{"inputs": run.inputs, **point.model_dump()} for run in ordered(runs) for point in run.curve]
    return pd.DataFrame(rows, columns=list(CURVE_DTYPES)).astype(CURVE_DTYPES)


def confusion(runs: Sequence[VictimRun]) -> pd.DataFrame:
    """One row a run, true class and answer, with the number of test pictures; pairs that never occurred are left out.

    Raises DataError when there are no runs.
    """
    parts = [_pairs(run) for run in ordered(runs) if any(map(sum, run.confusion))]
    empty = pd.DataFrame(columns=list(CONFUSION_DTYPES))
    return (pd.concat(parts, ignore_index=True) if parts else empty).astype(CONFUSION_DTYPES)


def results_json(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows under the stable keys of `--json`; a missing accuracy is None, for JSON has no NaN."""
    return [
        {key: _rounded(value) if key in TWO_DECIMALS else value for key, value in row.items()}
        for row in records(frame[list(STABLE_KEYS)])
    ]


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 2)


def _pairs(run: VictimRun) -> pd.DataFrame:
    counts = np.array(run.confusion, dtype=np.int64)
    true, answer = counts.nonzero()
    names = np.array(run.classes, dtype=object)
    return pd.DataFrame(
        {"inputs": run.inputs, "true": names[true], "answer": names[answer], "count": counts[true, answer]}
    )


def _position(run: VictimRun) -> tuple[Any, ...]:
    victim, countermeasure = _natural(run.victim), (run.countermeasure != PLAIN, *_natural(run.countermeasure))
    copy = (run.method != CLEAN, run.method, run.form, run.epsilon, run.fraction, _natural(run.variant))
    return (run.dataset, *copy, victim, countermeasure, run.seed, run.inputs)


def _natural(name: str) -> tuple[tuple[str, int], ...]:
    """Sort key that puts jpeg-5 before jpeg-10."""
    return tuple((text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name))
