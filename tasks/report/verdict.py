"""The verdict: a few plain sentences that follow from the numbers, and say what the numbers can't."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from infra.errors import one_line
from schemas.report import ReportContext
from tasks.report.caveats import caveats, weak_fits
from tasks.report.display import CLEAN, PLAIN, Judgement, accuracy, copy_name, judge, listing, records, share
from tasks.report.summary import COPY, worst_case

EARLY_GAP = 10.0
_OPENING: dict[Judgement, str] = {"holds": "holds", "partly": "only partly holds", "unknown": "can't be judged"}


def verdict(summary: pd.DataFrame, context: ReportContext) -> str:
    """The report's judgement in plain language; see `sentences`."""
    return " ".join(sentences(summary, context))


def sentences(summary: pd.DataFrame, context: ReportContext) -> list[str]:
    """For each protected copy its worst case and plain number beside the clean ceiling; then every other caveat.

    A fit that did not converge is told right after the first sentence on its copy.

    The victim named is the one on which a copy protects least. Judged by the share of protection kept in the
    worst case: from 0.8 it holds, from 0.5 partly, below it is undone.
    """
    said: list[str] = []
    warnings = weak_fits(context)
    several = summary["dataset"].nunique() > 1
    for _, cells in summary[summary["method"] != CLEAN].groupby(COPY, sort=False):
        worst = worst_case(cells)
        about = _about_copy(_hardest(worst), cells, len(worst)) if len(worst) else [_no_result(cells)]
        first = f"{one_line(cells['dataset'].iloc[0])}: {about[0]}" if several else about[0]
        warned = warnings.get(copy_name(records(cells)[0]))
        said += [first, *([warned] if warned else []), *about[1:]]
    if not said:
        said = ["Nothing protected was evaluated: only clean data were trained on, so nothing was shown."]
    return list(dict.fromkeys([*said, *caveats(summary, context)]))


def _about_copy(worst: Mapping[str, Any], cells: pd.DataFrame, victims: int) -> list[str]:
    early = _early(cells)
    until = " when trained to the last epoch" if early else ""
    victim = one_line(worst["victim"]) + (f" (the hardest of {victims} victims)" if victims > 1 else "")
    reaches = f"{victim} reaches {accuracy(worst['mean'])} % on clean test pictures"
    first = f"{_named(cells)} {_opening(worst)}{until}: under {_setting(worst)}, {reaches}, {_beside(worst)}."
    return list(filter(None, [first, _plain(worst), early]))


def _opening(worst: Mapping[str, Any]) -> str:
    judgement = judge(worst["kept"])
    if judgement != "undone":
        return _OPENING[judgement]
    if worst["countermeasure"] == PLAIN:
        return "protects too little even without a countermeasure"
    return f"is undone by {one_line(worst['countermeasure'])}"


def _setting(worst: Mapping[str, Any]) -> str:
    number, is_plain = worst["tried"], worst["countermeasure"] == PLAIN
    if not number:
        return "plain training, the only kind tried"
    if is_plain:
        rest = "only countermeasure tried does" if number == 1 else f"{number} countermeasures tried do"
        return f"plain training, which gets further than the {rest}"
    which = "the only countermeasure" if number == 1 else f"the worst case of {number} countermeasures"
    return f"{one_line(worst['countermeasure'])}, {which} tried"


def _beside(worst: Mapping[str, Any]) -> str:
    if pd.isna(worst["ceiling"]):
        return "with no clean baseline to compare with"
    beside = f"beside a clean ceiling of {accuracy(worst['ceiling'])} % and chance at {accuracy(worst['chance'])} %"
    return beside if pd.isna(worst["kept"]) else f"{beside}; {share(worst['kept'])} of the protection is kept"


def _plain(worst: Mapping[str, Any]) -> str:
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
    return f"Without a countermeasure it reaches {accuracy(worst['plain_mean'])} % ({ceiling})."


def _early(cells: pd.DataFrame) -> str:
    """What stopping early gives an attacker, where the peak is more than EARLY_GAP points above the final epoch."""
    ahead = cells[cells["peak_mean"] - cells["mean"] > EARLY_GAP]
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


def _hardest(worst: pd.DataFrame) -> dict[str, Any]:
    """The victim that keeps the least protection; without any ceiling, the one with the highest accuracy."""
    known = worst[worst["kept"].notna()]
    if len(known):
        return records(known)[int(known["kept"].to_numpy().argmin())]
    return records(worst)[int(worst["mean"].to_numpy().argmax())]


def _no_result(cells: pd.DataFrame) -> str:
    victims = listing([one_line(name) for name in cells["victim"].unique()])
    return f"{_named(cells)} can't be judged: no run of {victims} on it came to an end."


def _named(cells: pd.DataFrame) -> str:
    name = copy_name(records(cells)[0])
    return name[:1].upper() + name[1:]
