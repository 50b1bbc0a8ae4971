"""What two-phase noise is worth beside joint noise, read from what benchmarks/studies/two_phase.py has measured.

Required: with at most five gradient passes over a picture the victim's clean test accuracy, as the mean of three seeds,
is within two points of what the joint algorithm leaves it. Lower is better protection, so below zero is better than
joint.
"""

import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks._bench import RESULTS, Check

STUDY = "two_phase"
CHECK = "victim's accuracy, two-phase with 5 passes over joint, worst case"
MOST_POINTS, FEWEST_SEEDS = 2, 3
# Cells of the study with joint noise, and with two-phase noise of five passes for the same pictures.
_JOINT = {
    "joint": ("two-phase, public fit, 5 steps", "two-phase, private fit, 5 steps"),
    "signs, joint": ("signs, two-phase, private fit, 5 steps",),
}


@dataclass(frozen=True)
class Pair:
    """Mean accuracies in percent of one victim under joint and under two-phase noise."""

    cell: str
    victim: str
    joint: float
    two_phase: float

    @property
    def points(self) -> float:
        """By how much two-phase noise leaves the victim more accurate."""
        return self.two_phase - self.joint


def pairs() -> list[Pair]:
    """Every pair of cells and victim that has its three seeds; [] where the study has not been run."""
    rows = {row["cell"]: row for row in _content().get("rows", [])}
    both = ((rows.get(joint), rows.get(cell)) for joint, cells in _JOINT.items() for cell in cells)
    return [pair for joint, other in both if joint and other for pair in _compared(joint, other)]


def _compared(joint: dict[str, Any], other: dict[str, Any]) -> Iterator[Pair]:
    before, after = _means(joint), _means(other)
    for victim in sorted(before.keys() & after.keys()):
        yield Pair(other["cell"], victim, before[victim], after[victim])


def _means(row: dict[str, Any]) -> dict[str, float]:
    """Mean accuracy by victim, for victims with enough seeds."""
    found: dict[str, list[float]] = {}
    for run in row["runs"]:
        found.setdefault(run["victim"], []).append(run["test_accuracy"])
    return {victim: statistics.fmean(values) for victim, values in found.items() if len(values) >= FEWEST_SEEDS}


def source() -> tuple[str, str]:
    """The processors and the last day of the study's rows, as far as they tell."""
    content = _content()
    told = [content, *(one for row in content.get("rows", []) for one in row.get("made", []))]
    processors, days = ({one[key] for one in told if key in one} for key in ("processor", "date"))
    return ", ".join(sorted(processors)), max(days, default="")


def _content() -> dict[str, Any]:
    file = RESULTS / f"{STUDY}.json"
    return json.loads(file.read_text()) if file.exists() else {}


def check(found: list[Pair]) -> Check | None:
    """The worst of the pairs beside what is required; None where there is none."""
    if not found:
        return None
    return Check(CHECK, max(pair.points for pair in found), at_most=MOST_POINTS, unit="points")
