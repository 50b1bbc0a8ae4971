"""The summary as a table for the terminal."""

import re
import textwrap
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from infra.errors import one_line
from tasks.report import tables
from tasks.report.display import CLEAN, MISSING, Judgement, judge, records, share, spread

# Folds resnet18-w16 and tiny-w16-32-64-64 behind a hyphen, and leaves the other names whole.
_VICTIM, _COUNTERMEASURE, _METHOD = 9, 12, 12
_NARROW = 8  # where every countermeasure has so few letters, there is room for methods on one line
_STYLES: dict[Judgement, str] = {"holds": "green", "partly": "yellow", "undone": "red", "unknown": ""}
_SOME_CLASSES = re.compile(r"(^|, )(class .+|classes .+|\d+ classes)")


def summary_table(summary: pd.DataFrame) -> Table:
    """A row a protected cell: percent, mean ± spread over seeds; clean rows only when they stand alone.

    A variant, a share and a part stand below their method: there is no room for other columns. Where countermeasures
    have long names, a copy and victim are named in their first row alone. Nothing is said to be kept of copies whose
    variant says that they protect some classes only: accuracy over all classes does not tell.
    """
    # Narrow, so that a row stays on one line of 80 columns.
    table = Table(title="Accuracy on clean test pictures, %", box=SIMPLE_HEAD, padding=0, show_edge=False)
    protected = summary[summary["method"] != CLEAN]
    shown = protected if len(protected) else summary
    for name in ("method", "form", "victim", "counter-\nmeasure"):
        table.add_column(name, overflow="fold", max_width=_VICTIM if name == "victim" else None)
    for name in ("clean\nceiling", "protected", "kept"):
        table.add_column(name, justify="right", no_wrap=True)
    narrow = max(map(len, shown["countermeasure"]), default=0) <= _NARROW
    before: list[str] = []
    for row in records(shown):
        names = [_method(row, 80 if narrow else _METHOD), one_line(row["form"]), one_line(row["victim"])]
        told, before = ["", "", ""] if names == before and not narrow else names, names
        own = MISSING if row["method"] == CLEAN else spread(row["mean"], row["std"])
        share_kept = None if _SOME_CLASSES.search(row["variant"]) else row["kept"]
        kept = Text(share(share_kept), style=_STYLES[judge(share_kept)])
        cells = map(Text, [*told, _folded(row["countermeasure"], _COUNTERMEASURE)])
        table.add_row(*cells, spread(row["ceiling"], row["ceiling_std"]), own, kept)
    return table


def text_table(data: tables.Table) -> Table:
    """Any table of a report, its numbers to the right; what is marked stands out."""
    table = Table(title=data.caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for at, name in enumerate(data.head):
        table.add_column(name, justify="right" if at in data.numbers else "left", overflow="fold")
    for at, row in enumerate(data.rows):
        table.add_row(*map(Text, row), style="bold" if at in data.marked else None)
    return table


def _method(row: Mapping[str, Any], width: int) -> str:
    below = (
        one_line(row["variant"]),
        "" if row["method"] == CLEAN or row["fraction"] >= 1 else f"on {100 * row['fraction']:g} %",
        "" if row["part"] == "all" else f"{row['part']} part",
    )
    return "\n".join([_folded(row["method"], width), *filter(None, below)])


def _folded(name: str, width: int) -> str:
    """A name broken behind hyphens into lines of `width`."""
    return "\n".join(textwrap.wrap(one_line(name), width)) or name
