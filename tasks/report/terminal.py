"""The summary as a table for the terminal."""

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from infra.errors import one_line
from tasks.report.display import CLEAN, MISSING, Judgement, judge, records, share, spread

# Folds resnet18-w16 and tiny-w16-32-64-64 behind a hyphen, and leaves the other names whole.
_VICTIM = 9
_STYLES: dict[Judgement, str] = {"holds": "green", "partly": "yellow", "undone": "red", "unknown": ""}


def summary_table(summary: pd.DataFrame) -> Table:
    """A row a protected cell: percent, mean ± spread over seeds; clean rows only when they stand alone.

    A variant stands below its method: there is no room for another column.
    """
    # Narrow, so that a row stays on one line of 80 columns.
    table = Table(title="Accuracy on clean test pictures, %", box=SIMPLE_HEAD, padding=0, show_edge=False)
    protected = summary[summary["method"] != CLEAN]
    shown = protected if len(protected) else summary
    for name in ("method", "form", "victim", "counter-\nmeasure"):
        table.add_column(name, overflow="fold", max_width=_VICTIM if name == "victim" else None)
    for name in ("clean\nceiling", "protected", "kept"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in records(shown):
        names = [Text(one_line(row[name])) for name in ("method", "form", "victim", "countermeasure")]
        if row["variant"]:
            names[0].append(f"\n{one_line(row['variant'])}")
        own = MISSING if row["method"] == CLEAN else spread(row["mean"], row["std"])
        kept = Text(share(row["kept"]), style=_STYLES[judge(row["kept"])])
        table.add_row(*names, spread(row["ceiling"], row["ceiling_std"]), own, kept)
    return table
