"""Sentences on copies that are protected in part: samples that carry noise beside others, classes beside others."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from infra.errors import one_line
from tasks.report.classes import same_copy
from tasks.report.differences import margin
from tasks.report.display import PLAIN, judge, listing, percent_of, records, whole_name
from tasks.report.findings import Findings

_MOST_NAMES = 4


def on_parts(found: Findings, copy: Mapping[str, Any], victim: str) -> str:
    """What all of a copy, its clean part and its protected part teach under plain training; empty without parts.

    `copy` is a row of the summary on the whole copy. That the protected part does not shield the rest is said as far as
    the numbers say so.
    """
    if copy["part"] != "all" or whole_name(copy) in found.some:
        return ""
    parts = {part: _plain(found.summary, {**copy, "part": part}, victim) for part in ("all", "clean", "protected")}
    everything, clean, noisy = parts["all"], parts["clean"], parts["protected"]
    if everything is None or (clean is None and noisy is None):
        return ""
    names = {"clean": "on its clean part alone", "protected": "on its protected part alone"}
    told = [f"{where} {_reached(row)}" for part, where in names.items() if (row := parts[part])]
    ceiling = "" if math.isnan(everything["ceiling"]) else f" (clean ceiling {everything['ceiling']:.2f} %)"
    said = f"Under plain training on all of it {one_line(victim)} reaches {_reached(everything)}{ceiling}"
    verdict = "" if clean is None else f": {_shield(everything, clean)}"
    return f"{said}, {' and '.join(told)}{verdict}."


def on_classes(found: Findings, copy: Mapping[str, Any], victim: str) -> str:
    """Accuracy on the protected classes and on the others, each beside the clean ceiling's; empty without others."""
    chosen = found.some.get(whole_name(copy))
    if chosen is None:
        return ""
    ours, others = _plain(found.judged, copy, victim), _plain(found.others, copy, victim)
    if ours is None or others is None:
        return ""
    noun = class_word(found)
    number = len(set(found.classes["class"]) - chosen)
    right = f"{_reached(ours)} of the test pictures of {called(chosen, noun)} right{_ceiling(ours)}"
    rest = f"of the other {number} {noun[number > 1]} {_reached(others)}{_ceiling(others)}{_harm(others)}"
    return f"Under plain training {one_line(victim)} gets {right}, and {rest}."


def called(classes: frozenset[str], noun: tuple[str, str]) -> str:
    """`the protected class bird`, `the 50 protected identities`: a few by name, more by their number."""
    if len(classes) > _MOST_NAMES:
        return f"the {len(classes)} protected {noun[1]}"
    return f"the protected {noun[len(classes) > 1]} {listing([one_line(name) for name in sorted(classes)])}"


def class_word(found: Findings) -> tuple[str, str]:
    """What one class is called, and several."""
    return ("identity", "identities") if len(found.faces) else ("class", "classes")


def _shield(everything: Mapping[str, Any], clean: Mapping[str, Any]) -> str:
    more = everything["mean"] - clean["mean"]
    if abs(more) <= margin(everything["std"], clean["std"]):
        return "the protected part does not shield the rest, which teaches as much as it does alone"
    if more > 0:
        adds = f"adds {more:.2f} points to what the rest teaches alone"
        return f"the protected part does not shield the rest, and even {adds}"
    takes = f"the protected part takes {-more:.2f} points from what the rest teaches alone"
    judgement = judge(-more / room if (room := clean["mean"] - clean["chance"]) > 0 else None)
    shields = {"holds": "which shields it", "partly": "which shields it in part", "undone": "but does not shield it"}
    return f"{takes}, {shields[judgement]}" if judgement in shields else takes


def _harm(others: Mapping[str, Any]) -> str:
    less = others["ceiling"] - others["mean"]
    if math.isnan(less):
        return ""
    if abs(less) <= margin(others["std"], others["ceiling_std"]):
        return ", unharmed within the spread"
    return f", {abs(less):.2f} points {'less' if less > 0 else 'more'}"


def _ceiling(row: Mapping[str, Any]) -> str:
    return "" if math.isnan(row["ceiling"]) else f" (clean ceiling {percent_of(row['ceiling'], row['ceiling_std'])})"


def _plain(summary: pd.DataFrame, copy: Mapping[str, Any], victim: str) -> dict[str, Any] | None:
    cells = same_copy(summary, copy)
    found = cells[(cells["victim"] == victim) & (cells["countermeasure"] == PLAIN) & cells["mean"].notna()]
    return records(found)[0] if len(found) else None


def _reached(row: Mapping[str, Any]) -> str:
    return percent_of(row["mean"], row["std"])
