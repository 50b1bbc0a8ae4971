"""The tidy tables beside the frame: confusion, classes, face verification and triggers.

A run is known by its `inputs`; where early stopping tells another tale of the same run, by its countermeasure too.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from schemas.evaluate import VictimRun
from tasks.report.classes import Covered, class_rows
from tasks.report.frame import ordered

CONFUSION_DTYPES = {
    "inputs": "string",
    "countermeasure": "string",
    "true": "string",
    "answer": "string",
    "count": "int64",
}
CLASS_DTYPES = {
    "inputs": "string",
    "countermeasure": "string",
    "class": "string",
    "pictures": "int64",
    "right": "int64",
    "accuracy": "float64",
    "protected": "bool",
    "peak_right": "float64",
}
VERIFICATION_DTYPES = {
    "inputs": "string",
    "pairs": "int64",
    "same": "int64",
    "auc": "float64",
    "far": "float64",
    "tar": "float64",
}
ROC_DTYPES = {"inputs": "string", "far": "float64", "tar": "float64"}
BACKDOOR_DTYPES = {"inputs": "string", "trigger": "string", "pictures": "int64", "success": "float64"}


def confusion(runs: Sequence[VictimRun]) -> pd.DataFrame:
    """One row a run, true class and answer, with the number of test pictures; pairs that never occurred are left out.

    Runs of more than 200 classes keep no such counts, and have no rows. Raises DataError when there are no runs.
    """
    parts = [_pairs(run) for run in ordered(runs) if any(map(sum, run.confusion))]
    empty = pd.DataFrame(columns=list(CONFUSION_DTYPES))
    return _clean(pd.concat(parts, ignore_index=True) if parts else empty, CONFUSION_DTYPES)


def per_class(runs: Sequence[VictimRun], covered: Covered) -> pd.DataFrame:
    """One row a run and class: test pictures, how many were right, and accuracy in percent (NaN without pictures).

    `protected`: the class was to be protected in the copy, all of them where `covered` does not name it. `peak_right`:
    how many were right at the best epoch, NaN where that was not kept. Raises DataError when there are no runs.
    """
    rows = class_rows(runs, covered)
    known = pd.DataFrame([(run.inputs, run.countermeasure) for run in ordered(runs)], columns=list(CLASS_DTYPES)[:2])
    accuracy = 100 * rows["right"] / rows["pictures"].where(rows["pictures"] > 0)
    return _clean(rows.assign(accuracy=accuracy).join(known, on="row"), CLASS_DTYPES)


def verification(runs: Sequence[VictimRun]) -> pd.DataFrame:
    """One row a run and allowed share of false acceptances (`far`), 0 to 1. Raises DataError without runs."""
    rows = (
        {"inputs": run.inputs, "pairs": found.pairs, "same": found.same, "auc": found.auc, "far": far, "tar": tar}
        for run in ordered(runs)
        if (found := run.verification)
        for far, tar in found.tar_at_far
    )
    return _table(rows, VERIFICATION_DTYPES)


def roc(runs: Sequence[VictimRun]) -> pd.DataFrame:
    """One row a point of a run's ROC curve: false and true acceptance rate, 0 to 1. Raises DataError without runs."""
    rows = (
        {"inputs": run.inputs, "far": far, "tar": tar}
        for run in ordered(runs)
        for far, tar in (run.verification.roc if run.verification else ())
    )
    return _table(rows, ROC_DTYPES)


def backdoor(runs: Sequence[VictimRun]) -> pd.DataFrame:
    """One row a run and trigger: test pictures that got it, and its success in percent. Raises DataError."""
    rows = ({"inputs": run.inputs, **each.model_dump()} for run in ordered(runs) for each in run.backdoor)
    return _table(rows, BACKDOOR_DTYPES)


def _table(rows: Iterable[dict[str, Any]], dtypes: dict[str, str]) -> pd.DataFrame:
    return _clean(pd.DataFrame(list(rows), columns=list(dtypes)), dtypes)


def _clean(table: pd.DataFrame, dtypes: dict[str, str]) -> pd.DataFrame:
    # One run may be reported under several names: of two copies that are alike, or of early stopping.
    return table[list(dtypes)].astype(dtypes).drop_duplicates(ignore_index=True)


def _pairs(run: VictimRun) -> pd.DataFrame:
    counts = np.array(run.confusion, dtype=np.int64)
    true, answer = counts.nonzero()
    names = np.array(run.classes, dtype=object)
    return pd.DataFrame(
        {
            "inputs": run.inputs,
            "countermeasure": run.countermeasure,
            "true": names[true],
            "answer": names[answer],
            "count": counts[true, answer],
        }
    )
