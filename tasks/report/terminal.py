"""The summary as a table for the terminal."""

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from infra.errors import one_line
from tasks.report.display import CLEAN, MISSING, Judgement, judge, records, share, spread

_STYLES: dict[Judgement, str] = {"holds": "green", "partly": "yellow", "undone": "red", "unknown": ""}


def summary_table(summary: pd.DataFrame) -> Table:
    """A row a protected cell: percent, mean ± spread over seeds; clean rows only when they stand alone."""
    # Narrow, so that a row stays on one line of 80 columns.
    table = Table(title="Accuracy on clean test pictures, %", box=SIMPLE_HEAD, padding=0, show_edge=False)
    for name in ("method", "form", "victim", "counter-\nmeasure"):
        table.add_column(name, overflow="fold")
    for name in ("clean\nceiling", "protected", "kept"):
        table.add_column(name, justify="right", no_wrap=True)
    protected = summary[summary["method"] != CLEAN]
    for row in records(protected if len(protected) else summary):
        names = [Text(one_line(row[name])) for name in ("method", "form", "victim", "countermeasure")]
        own = MISSING if row["method"] == CLEAN else spread(row["mean"], row["std"])
        kept = Text(share(row["kept"]), style=_STYLES[judge(row["kept"])])
        table.add_row(*names, spread(row["ceiling"], row["ceiling_std"]), own, kept)
    return table
