"""Two reports side by side: what was asked for otherwise, what came out otherwise, and which of it is no chance."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from infra.errors import one_line
from schemas.report import ReportContext
from tasks.report.context_tables import flat
from tasks.report.differences import margin
from tasks.report.display import MISSING, accuracy, copy_name, records, spread
from tasks.report.summary import CELL
from tasks.report.tables import Table

# What two runs of one job differ in anyway.
_PLACES = ("workspace", "clean", "test", "protected", "pairs", "beside", "runner", "device", "memory")
Said = Literal["higher", "lower", "within the spread", "only in the first", "only in the second", "not known"]
CELLS_HEAD = ("Trained on", "Victim", "Countermeasure", "First, %", "Second, %", "Difference", "Spread", "Said")


@dataclass(frozen=True)
class Side:
    """One of the two: how it is called, what it was asked, and its summary over seeds."""

    name: str
    context: ReportContext
    summary: pd.DataFrame


@dataclass(frozen=True)
class Comparison:
    """What two reports differ in. `sentences` say it in short, the tables in full."""

    sentences: tuple[str, ...]
    settings: Table
    cells: Table


def compare(first: Side, second: Side) -> Comparison:
    """Set two reports side by side, cell by cell: dataset, copy, victim and countermeasure.

    A difference is the second's mean minus the first's, in points of accuracy; it counts where it exceeds the root of
    both variances over seeds (of one seed, differences.ONE_SEED points).
    """
    pairs = list(_pairs(first.summary, second.summary))
    changed = tuple(_changed(first.context, second.context))
    told: list[Said] = [_said(one, other) for _, one, other in pairs]
    return Comparison(
        sentences=tuple(_sentences(changed, told)),
        settings=Table(
            "What was asked for otherwise", ("Setting", one_line(first.name), one_line(second.name)), changed
        ),
        cells=Table(
            f"Clean test accuracy: {one_line(first.name)} first, {one_line(second.name)} second",
            CELLS_HEAD,
            tuple(_row(cell, one, other, said) for (cell, one, other), said in zip(pairs, told, strict=True)),
            frozenset((3, 4, 5, 6)),
            marked=frozenset(at for at, said in enumerate(told) if said in ("higher", "lower")),
        ),
    )


def _pairs(one: pd.DataFrame, other: pd.DataFrame) -> Iterator[tuple[dict[str, Any], Any, Any]]:
    """Each cell of either, with its row in both; None where it has none."""
    rows = [{tuple(row[name] for name in CELL): row for row in records(summary)} for summary in (one, other)]
    for key in dict.fromkeys([*rows[0], *rows[1]]):
        yield dict(zip(CELL, key, strict=True)), rows[0].get(key), rows[1].get(key)


def _said(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> Said:
    if other is None:
        return "only in the first"
    if one is None:
        return "only in the second"
    difference = other["mean"] - one["mean"]
    if math.isnan(difference):
        return "not known"
    if abs(difference) <= margin(one["std"], other["std"]):
        return "within the spread"
    return "higher" if difference > 0 else "lower"


def _row(
    cell: Mapping[str, Any], one: Mapping[str, Any] | None, other: Mapping[str, Any] | None, said: Said
) -> tuple[str, ...]:
    numbers = [MISSING if side is None else spread(side["mean"], side["std"]) for side in (one, other)]
    both = one is not None and other is not None and said != "not known"
    return (
        one_line(f"{cell['dataset']}, {copy_name(cell)}"),
        one_line(cell["victim"]),
        one_line(cell["countermeasure"]),
        *numbers,
        f"{other['mean'] - one['mean']:+.2f}" if both and one and other else MISSING,
        accuracy(margin(one["std"], other["std"])) if both and one and other else MISSING,
        said,
    )


def _changed(one: ReportContext, other: ReportContext) -> Iterator[tuple[str, str, str]]:
    """Settings and versions that differ; places and machines are no settings of what is measured."""
    sides = [
        dict(flat({name: value for name, value in context.settings.items() if name not in _PLACES}))
        | {f"version of {name}": version for name, version in context.versions.items()}
        for context in (one, other)
    ]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        values = [side.get(name, MISSING) for side in sides]
        if values[0] != values[1]:
            yield one_line(name), one_line(values[0]), one_line(values[1])


def _sentences(changed: tuple[tuple[str, str, str], ...], said: Sequence[Said]) -> Iterator[str]:
    differ = "1 setting or version differs" if len(changed) == 1 else f"{len(changed)} settings or versions differ"
    yield f"{differ if changed else 'Both were asked for the same'} (places and machines left out)."
    both = [each for each in said if not each.startswith("only")]
    higher, lower = said.count("higher"), said.count("lower")
    if both:
        ways = ", ".join(f"{count} {way}" for count, way in ((higher, "higher"), (lower, "lower")) if count)
        more = f": {ways} in the second" if ways else ""
        differ = "1 differs" if higher + lower == 1 else f"{higher + lower} differ"
        yield f"Of {len(both)} numbers that both have, {differ} by more than the spread{more}."
    else:
        yield "They have no number in common."
    if alone := said.count("only in the first"):
        yield f"Only the first has {alone} more."
    if alone := said.count("only in the second"):
        yield f"Only the second has {alone} more."
