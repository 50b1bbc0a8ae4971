"""The tables of results, as text."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from infra.errors import one_line
from tasks.report.display import (
    CLEAN,
    MISSING,
    Judgement,
    accuracy,
    copy_name,
    judge,
    records,
    share,
    spread,
    whole_name,
)
from tasks.report.findings import Findings
from tasks.report.frame import COPY
from tasks.report.partial import called, class_word
from tasks.report.summary import is_protected, worst_case

RESULT_HEAD = ("Victim", "Countermeasure", "Judgement", "Clean ceiling, %", "Protected, %", "Kept", "Peak, %", "Seeds")


@dataclass(frozen=True)
class Table:
    """A table of text: which columns hold `numbers`, a judgement a row that colours column `toned`, rows to `mark`."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    tones: tuple[Judgement, ...] = ()
    toned: int = -1
    marked: frozenset[int] = frozenset()


def result_tables(found: Findings) -> Iterator[Table]:
    """A table a protected copy; the clean baseline gets its own only when it stands alone.

    A copy that protects some classes only has two: what it is judged by, accuracy on those, and accuracy on all.
    """
    for _, cells in found.judged.groupby(COPY, sort=False):
        copy = records(cells)[0]
        chosen = found.some.get(whole_name(copy))
        yield _results(cells, f"clean test pictures{f' of {called(chosen, class_word(found))}' if chosen else ''}")
        if chosen:
            yield _results(
                found.summary.loc[cells.index].assign(kept=math.nan),
                f"clean test pictures of all {class_word(found)[1]}",
            )
    if not is_protected(found.summary).any():
        for _, cells in found.summary[found.summary["method"] == CLEAN].groupby(COPY, sort=False):
            yield _results(cells, "clean test pictures")


def _results(cells: pd.DataFrame, pictures: str) -> Table:
    rows = records(cells)
    worst = {
        (row["victim"], row["countermeasure"]) for row in records(worst_case(cells)) if cells["kept"].notna().any()
    }
    marked = [(row["victim"], row["countermeasure"]) in worst for row in rows]
    tones: tuple[Judgement, ...] = tuple(judge(row["kept"]) for row in rows)
    name, chance = f"{one_line(rows[0]['dataset'])}, {copy_name(rows[0])}", accuracy(rows[0]["chance"])
    return Table(
        caption=f"{name}: accuracy on {pictures}; chance {chance} %",
        head=RESULT_HEAD,
        rows=tuple(_result(row, mark) for row, mark in zip(rows, marked, strict=True)),
        numbers=frozenset(range(3, 8)),
        tones=tones,
        toned=5,
        marked=frozenset(at for at, mark in enumerate(marked) if mark),
    )


def _result(row: Mapping[str, Any], is_worst: bool) -> tuple[str, ...]:
    judgement = judge(row["kept"])
    word = MISSING if judgement == "unknown" else judgement
    diverged = f" ({row['diverged']} diverged)" if row["diverged"] else ""
    return (
        one_line(row["victim"]),
        one_line(row["countermeasure"]),
        f"{word}, worst case" if is_worst else word,
        spread(row["ceiling"], row["ceiling_std"]),
        MISSING if row["method"] == CLEAN else spread(row["mean"], row["std"]),
        share(row["kept"]),
        accuracy(row["peak_mean"]),
        f"{row['seeds']}{diverged}",
    )
