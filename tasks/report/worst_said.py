"""The first sentences on a copy: how far its worst case goes, what plain training and stopping early give."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from infra.errors import one_line
from schemas.countermeasures import EarlyStopping
from tasks.report.differences import clearly_above
from tasks.report.display import PLAIN, Judgement, accuracy, judge, listing, percent_of, records, share

EARLY_GAP = 10.0
_OPENING: dict[Judgement, str] = {"holds": "holds", "partly": "only partly holds", "unknown": "can't be judged"}
_CALLED: dict[Judgement, str] = {"holds": "held", "partly": "held in part", "undone": "undone"}
_RANKS: dict[Judgement, int] = {"undone": 0, "partly": 1, "holds": 2, "unknown": 3}


def first_sentence(worst: Mapping[str, Any], cells: pd.DataFrame, name: str, victim: str, pictures: str) -> str:
    """The judgement on the copy called `name`: `worst`, a row of worst_case, beside its clean ceiling and chance.

    `cells` are all rows of the summary on the copy; `victim` and `pictures` are how the sentence is to call them.
    """
    until = " when trained to the last epoch" if early_stopping(worst, cells) else ""
    reaches = f"{victim} reaches {percent_of(worst['mean'], worst['std'])} on {pictures}"
    judged = f"{_beside(worst)}{_lower_elsewhere(worst, cells)}"
    return f"{name} {_opening(worst)}{until}: under {_setting(worst, cells)}, {reaches}, {judged}."


def _opening(worst: Mapping[str, Any]) -> str:
    judgement = judge(worst["kept"])
    if judgement != "undone":
        return _OPENING[judgement]
    if worst["countermeasure"] == PLAIN or judge(worst["plain_kept"]) == "undone":
        return "protects too little even without a countermeasure"
    return f"is undone by {one_line(worst['countermeasure'])}"


def _setting(worst: Mapping[str, Any], cells: pd.DataFrame) -> str:
    number, same = worst["tried"], cells[cells["victim"] == worst["victim"]]
    tried = "that came to an end" if same["mean"].isna().any() else "tried"
    if not number:
        return f"plain training, the only kind {tried}"
    if worst["countermeasure"] != PLAIN:
        which = "the only countermeasure" if number == 1 else f"the worst case of {number} countermeasures"
        return f"{one_line(worst['countermeasure'])}, {which} {tried}"
    others = records(same[(same["countermeasure"] != PLAIN) & same["mean"].notna()])
    if all(clearly_above(worst, row) for row in others):
        rest = f"only countermeasure {tried} does" if number == 1 else f"{number} countermeasures {tried} do"
        return f"plain training, which gets further than the {rest}"
    if number == 1:
        return f"plain training, and the only countermeasure {tried} gets no further"
    return f"plain training, and none of the {number} countermeasures {tried} gets further"


def _lower_elsewhere(worst: Mapping[str, Any], cells: pd.DataFrame) -> str:
    """Told where less accuracy, beside a lower clean ceiling of its own, is judged lower than the worst case."""
    judged = cells[(cells["victim"] == worst["victim"]) & cells["kept"].notna()]
    if judged.empty:
        return ""
    row = records(judged)[int(judged["kept"].to_numpy().argmin())]
    if _RANKS[judge(row["kept"])] >= _RANKS[judge(worst["kept"])]:
        return ""
    where = "plain training" if row["countermeasure"] == PLAIN else one_line(row["countermeasure"])
    ceiling = f"whose clean ceiling is {accuracy(row['ceiling'])} %"
    return f"; under {where}, {ceiling}, only {share(row['kept'])} is kept: {_CALLED[judge(row['kept'])]} there"


def border(worst: Mapping[str, Any]) -> str:
    """Told where the spread over seeds reaches into another judgement."""
    room, spread = worst["ceiling"] - worst["chance"], worst["std"]
    if math.isnan(worst["kept"]) or math.isnan(spread) or room <= 0:
        return ""
    ends = [judge((worst["ceiling"] - worst["mean"] + shift) / room) for shift in (-spread, spread)]
    others = [_CALLED[end] for end in dict.fromkeys(ends) if end != judge(worst["kept"]) and end in _CALLED]
    return f"Within the spread over seeds it might as well be called {listing(others)}." if others else ""


def _beside(worst: Mapping[str, Any]) -> str:
    if pd.isna(worst["ceiling"]):
        return "with no clean baseline to compare with"
    beside = f"beside a clean ceiling of {accuracy(worst['ceiling'])} % and chance at {accuracy(worst['chance'])} %"
    return beside if pd.isna(worst["kept"]) else f"{beside}; {share(worst['kept'])} of the protection is kept"


def plain_number(worst: Mapping[str, Any]) -> str:
    """The plain number, where the first sentence has not given it."""
    if worst["countermeasure"] == PLAIN:
        return ""
    if pd.isna(worst["plain_mean"]):
        return "Plain training, without a countermeasure, gave no number."
    ceiling = (
        "no clean baseline"
        if pd.isna(worst["plain_ceiling"])
        else f"clean ceiling {accuracy(worst['plain_ceiling'])} %"
    )
    return f"Without a countermeasure it reaches {percent_of(worst['plain_mean'], worst['plain_std'])} ({ceiling})."


def early_stopping(worst: Mapping[str, Any], cells: pd.DataFrame) -> str:
    """What stopping early gives an attacker, where the peak is more than EARLY_GAP points above the final epoch.

    Where early stopping is a countermeasure of its own, only a peak that is as far above the worst case too.
    """
    ahead = cells[cells["peak_mean"] - cells["mean"] > EARLY_GAP]
    if EarlyStopping().name in set(cells["countermeasure"]):
        ahead = ahead[ahead["peak_mean"] - worst["mean"] > EARLY_GAP]
    if ahead.empty:
        return ""
    row = records(ahead)[int(ahead["peak_mean"].to_numpy().argmax())]
    room = row["ceiling"] - row["chance"]
    kept = min(1.0, (row["ceiling"] - row["peak_mean"]) / room) if room > 0 else None
    left = f", which leaves {share(kept)} of the protection" if kept is not None else ""
    where = "plain training" if row["countermeasure"] == PLAIN else one_line(row["countermeasure"])
    opening = "Early stopping undoes it" if judge(kept) == "undone" else "Early stopping helps the victim"
    final = f"{accuracy(row['mean'])} % at the end"
    victim = one_line(row["victim"])
    return f"{opening}: under {where} {victim} peaks at {accuracy(row['peak_mean'])} % against {final}{left}."
