"""The tidy frame: one row a training run. A report is drawn from it and from the tables beside it (tidy.py)."""

import math
import re
from collections.abc import Sequence
from typing import Any, get_args

import pandas as pd

from infra.errors import DataError
from schemas.evaluate import Part, VictimRun
from tasks.report.display import CLEAN, PLAIN, TWO_DECIMALS, copy_name, records

COPY = ["dataset", "method", "form", "epsilon", "fraction", "variant", "part"]
DTYPES: dict[str, str] = {
    "dataset": "string",
    "method": "string",
    "form": "string",
    "epsilon": "int64",
    "fraction": "float64",
    "variant": "string",
    "part": "string",
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
    "auc": "float64",
    "trigger_success": "float64",
    "inputs": "string",
}
CURVE_DTYPES = {
    "inputs": "string",
    "epoch": "int64",
    "loss": "float64",
    "train_accuracy": "float64",
    "test_accuracy": "float64",
}
_MEASURED = tuple(DTYPES)[: tuple(DTYPES).index("seconds") + 1]
# These came later and go last: whoever reads the others by their order still may.
_LATER = ("variant", "part")
STABLE_KEYS = (*(name for name in _MEASURED if name not in _LATER), *_LATER)
_PLAIN_FIELDS = set(DTYPES) - {"classes", "auc", "trigger_success"}


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
    """One row a run, as `ordered` has them, accuracies in percent; columns and dtypes of DTYPES.

    `classes` is their number; `auc` and `trigger_success` are NaN where they were not measured. Raises DataError when
    there are no runs.
    """
    rows = [
        {
            **run.model_dump(include=_PLAIN_FIELDS),
            "classes": len(run.classes),
            "auc": run.verification.auc if run.verification else math.nan,
            "trigger_success": _trigger_success(run),
        }
        for run in ordered(runs)
    ]
    return pd.DataFrame(rows, columns=list(DTYPES)).astype(DTYPES)


def curves(runs: Sequence[VictimRun]) -> pd.DataFrame:
    """One row an epoch of a run: loss in nats, accuracies in percent. Raises DataError when there are no runs.

    Runs with the same inputs have one curve: early stopping's is that of the plain run.
    """
    rows = [{"inputs": run.inputs, **point.model_dump()} for run in ordered(runs) for point in run.curve]
    return pd.DataFrame(rows, columns=list(CURVE_DTYPES)).astype(CURVE_DTYPES).drop_duplicates(ignore_index=True)


def results_json(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows under the stable keys of `--json`; a missing accuracy is None, for JSON has no NaN."""
    return [
        {key: _rounded(value) if key in TWO_DECIMALS else value for key, value in row.items()}
        for row in records(frame[list(STABLE_KEYS)])
    ]


def copy_of(run: VictimRun) -> dict[str, Any]:
    """What tells the copy that a run was trained on: the fields COPY."""
    return {name: getattr(run, name) for name in COPY}


def name_of(run: VictimRun) -> str:
    """The name of the copy that a run was trained on, with its part."""
    return copy_name(copy_of(run))


def own_trigger(run: VictimRun) -> str:
    """What the noise of a run's own copy is called as a trigger (tasks/evaluate/sets.py, `caption`)."""
    fraction = "" if run.fraction >= 1 else f"on {100 * run.fraction:g} % of the samples"
    return ", ".join(filter(None, (run.method, run.form, f"{run.epsilon}/255", run.variant, fraction)))


def _trigger_success(run: VictimRun) -> float:
    """With the copy's own noise as the trigger; without one of its own, the highest of any."""
    own = [each.success for each in run.backdoor if each.trigger == own_trigger(run)]
    return max(own or [each.success for each in run.backdoor], default=math.nan)


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 2)


def _position(run: VictimRun) -> tuple[Any, ...]:
    victim, countermeasure = _natural(run.victim), (run.countermeasure != PLAIN, *_natural(run.countermeasure))
    noise = (run.method != CLEAN, run.method, run.form, run.epsilon, run.fraction, _natural(run.variant))
    part = get_args(Part).index(run.part)
    return (run.dataset, *noise, part, victim, countermeasure, run.seed, run.inputs)


def _natural(name: str) -> tuple[tuple[str, int], ...]:
    """Sort key that puts jpeg-5 before jpeg-10."""
    return tuple((text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", name))
