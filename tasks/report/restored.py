"""Which countermeasures give accuracy back, each with by how much."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from infra.errors import one_line
from tasks.report.differences import clearly_above
from tasks.report.display import HOLDS_FROM, PLAIN, Judgement, capital, judge, listing, percent_of, records, share

# Of the way from chance to the clean ceiling: what regains less leaves a protection that holds in full still holding.
LEAST = 1 - HOLDS_FROM
_ALL = 1000
_RANKS: dict[Judgement, int] = {"undone": 0, "partly": 1, "holds": 2, "unknown": 2}


def restored(cells: pd.DataFrame) -> list[str]:
    """A sentence a victim: every countermeasure that restores accuracy, the highest first, and what the others leave.

    `cells` are rows of the summary on one copy. To restore is to lie above plain training by more than the spread over
    seeds, and either by a fifth of the way from chance to the clean ceiling or as far as to be judged lower. Without a
    number for plain training, those count that leave less protection than holds.
    """
    victims = list(dict.fromkeys(cells["victim"]))
    said = [_of_victim(cells[cells["victim"] == victim], one_line(victim), len(victims) > 1) for victim in victims]
    return list(filter(None, said))


def restores(row: Mapping[str, Any], plain: Mapping[str, Any] | None) -> bool:
    """Whether the countermeasure of `row` restores accuracy over `plain` training of the same victim and copy."""
    if plain is None:
        return judge(row["kept"]) in ("partly", "undone")
    if not clearly_above(row, plain):
        return False
    way = row["ceiling"] - row["chance"]
    far = math.isnan(way) or row["mean"] - plain["mean"] >= LEAST * way
    return far or _RANKS[judge(row["kept"])] < _RANKS[judge(plain["kept"])]


def _of_victim(cells: pd.DataFrame, victim: str, several: bool) -> str:
    rows = [row for row in records(cells) if not math.isnan(row["mean"])]
    plain = next((row for row in rows if row["countermeasure"] == PLAIN), None)
    tried = sorted((row for row in rows if row["countermeasure"] != PLAIN), key=lambda row: -row["mean"])
    back = [row for row in tried if restores(row, plain)]
    rest = [row for row in tried if not restores(row, plain)]
    start = f"with {victim}: " if several else ""
    if back:
        names = listing([_named(row, plain) for row in back], limit=_ALL)
        return capital(f"{start}restored by {names}{_rest(rest)}.")
    if len(tried) < 2 or (plain is not None and judge(plain["kept"]) == "undone"):
        return ""  # said of the worst case already, or there is nothing to restore
    highest = f"{one_line(tried[0]['countermeasure'])}, leaves it at {_reached(tried[0])}"
    return capital(f"{start}none of the {len(tried)} countermeasures restores accuracy: the highest, {highest}.")


def _named(row: Mapping[str, Any], plain: Mapping[str, Any] | None) -> str:
    gain = "" if plain is None else f", +{row['mean'] - plain['mean']:.2f} points"
    kept = "" if math.isnan(row["kept"]) else f", {share(row['kept'])} kept"
    return f"{one_line(row['countermeasure'])} ({_reached(row)}{gain}{kept})"


def _rest(rest: list[dict[str, Any]]) -> str:
    if not rest:
        return ""
    highest = _reached(rest[0])
    if len(rest) == 1:
        return f"; {one_line(rest[0]['countermeasure'])} leaves it at {highest}"
    return f"; the other {len(rest)} leave it at {highest} at most"


def _reached(row: Mapping[str, Any]) -> str:
    return percent_of(row["mean"], row["std"])
