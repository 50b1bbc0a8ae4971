"""Sentences on faces that victims verified, and on noise that was laid on as a trigger."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from infra.errors import one_line
from tasks.report.classes import same_copy
from tasks.report.differences import margin
from tasks.report.display import PLAIN, fine, judge, percent_of, records

GUESSING = 0.5
LITTLE = 0.6
# Two runs of one setting, a seed each, may differ by so much AUC.
ONE_SEED_AUC = 0.02
_VERIFICATION = {
    "holds": "verification is brought close to guessing",
    "partly": "verification is weakened, not stopped",
    "undone": "verification survives, so its embeddings still tell people apart",
}


def on_faces(faces: pd.DataFrame, copy: Mapping[str, Any], victim: str) -> str:
    """What a victim's embeddings are worth in verification, beside the clean ceiling's; empty when not measured.

    Judged like accuracy, by the share of the way from the ceiling's AUC down to guessing.
    """
    cells = same_copy(faces, copy)
    rows = records(cells[cells["victim"] == victim])
    if not rows:
        return ""
    row = _plain_or_first(rows)
    auc = f"{fine(row['mean'], row['std'])}{_beside(row['ceiling'], row['ceiling_std'])}"
    clean = "" if math.isnan(row["ceiling_tar"]) else f", beside {100 * row['ceiling_tar']:.1f} %"
    tar = f"{100 * row['tar']:.1f} % of true pairs are accepted{clean}"
    accepted = f"at {100 * row['far']:g} % of false acceptances {tar}"
    under = "plain training" if row["countermeasure"] == PLAIN else one_line(row["countermeasure"])
    start = f"Verification by embeddings of {one_line(victim)} under {under} has an AUC of {auc}"
    return f"{start}; {accepted}{_verdict(row)}.{_highest(rows, row)}"


def on_triggers(triggers: pd.DataFrame, copy: Mapping[str, Any], victim: str) -> str:
    """How often a copy's own noise, laid on clean test pictures, steers a victim; empty when not measured."""
    cells = same_copy(triggers, copy)
    rows = records(cells[(cells["victim"] == victim) & cells["own"]])
    if not rows:
        return ""
    row = _plain_or_first(rows)
    ceiling = percent_of(row["ceiling"], row["ceiling_std"])
    clean = "" if math.isnan(row["ceiling"]) else f" (a victim of clean data {ceiling})"
    takes = f"{one_line(victim)} takes {percent_of(row['mean'], row['std'])} of clean test pictures of other classes"
    return f"Backdoor test: under this noise {takes} for the class of the noise{clean}{_none(row)}."


def _verdict(row: Mapping[str, Any]) -> str:
    if math.isnan(row["ceiling"]):
        return ", with no clean baseline to compare with"
    if row["ceiling"] < LITTLE:
        return "; but the clean baseline itself hardly tells people apart, so that says little"
    less = row["ceiling"] - row["mean"]
    if less <= margin(row["std"], row["ceiling_std"], ONE_SEED_AUC):
        return f": {_VERIFICATION['undone']} as well as after training on clean data"
    judgement = judge(less / (row["ceiling"] - GUESSING))
    return f": {_VERIFICATION[judgement]}" if judgement in _VERIFICATION else ""


def _highest(rows: list[dict[str, Any]], row: Mapping[str, Any]) -> str:
    """The countermeasure that gives verification back most, where it clearly does."""
    high = max(rows, key=lambda each: each["mean"])
    if high["mean"] - row["mean"] <= margin(high["std"], row["std"], ONE_SEED_AUC):
        return ""
    auc = f"{fine(high['mean'], high['std'])}{_beside(high['ceiling'], high['ceiling_std'])}"
    return f" Under {one_line(high['countermeasure'])} the AUC comes back to {auc}."


def _none(row: Mapping[str, Any]) -> str:
    if math.isnan(row["ceiling"]) or row["mean"] - row["ceiling"] > margin(row["std"], row["ceiling_std"]):
        return ""
    return ", so no backdoor shows"


def _plain_or_first(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return next((row for row in rows if row["countermeasure"] == PLAIN), rows[0])


def _beside(ceiling: float, std: float) -> str:
    return "" if math.isnan(ceiling) else f" (clean ceiling {fine(ceiling, std)}, guessing 0.5)"
