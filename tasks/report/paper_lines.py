"""Numbers over a share or a budget: a line a row of the result, the paper's numbers as crosses."""

from statistics import fmean, stdev
from typing import Any

import altair as alt

from tasks.report.charts.look import Chart, Style, rows
from tasks.report.paper_found import Found, rows_of

_UNITS = {
    "accuracy": "clean test accuracy, %",
    "peak": "highest clean test accuracy, %",
    "backdoor": "success of the trigger, %",
    "auc": "AUC",
    "tar": "true acceptance rate",
}
_OF_ONE = ("auc", "tar")
_CROSS = "M-0.7,-0.7L0.7,0.7M-0.7,0.7L0.7,-0.7"
_NONE = [{"one": 1}]  # a row to hang a mark on


def lines(found: Found, across: str) -> Chart:
    """Mean and sample standard deviation over seeds, columns being numbers of what `across` says.

    A row of one experiment is a level: a dotted line all along. Runs that diverged leave a gap, and the paper's numbers
    are drawn all the same.
    """
    measured, style = found[0][0].measured, Style(rows_of(found), plain=())
    levels, points = [], []
    for row in rows_of(found):
        several = [each for each in found if each[0].row == row]
        (levels if len(several) == 1 else points).extend(_points(several))
    papers = [
        {"row": one.row, "x": _number(one.column), "mean": one.paper} for one, *_ in found if one.paper is not None
    ]
    x = alt.X("x:Q", title=across, scale=alt.Scale(zero=False))
    top = 1 if measured in _OF_ONE else 100
    y = alt.Y("mean:Q", title=_UNITS.get(measured, measured), scale=alt.Scale(domain=[0, top]))
    colour = style.colour("row")
    layers: list[alt.Chart] = []
    if levels:
        level = rows(levels).encode(color=colour)
        layers += [
            level.mark_rect(opacity=0.15).encode(y="low:Q", y2="high:Q"),
            level.mark_rule(strokeDash=[2, 3]).encode(y=y),
        ]
    if points:
        base = rows(points).encode(x=x, color=colour)
        layers += [
            base.mark_rule().encode(y="low:Q", y2="high:Q"),
            base.mark_line().encode(y=y, strokeDash=style.dash("row")),
            base.mark_point(filled=True, size=36).encode(y=y),
        ]
    if papers:
        cross = rows(papers).mark_point(shape=_CROSS, size=60, opacity=1, strokeWidth=1.5)
        said = rows(_NONE).mark_text(align="right", baseline="top", fontSize=10)
        layers += [
            cross.encode(x=x, y=y, color=colour),
            said.encode(x=alt.value("width"), y=alt.value(2), text=alt.value("crosses: the paper")),
        ]
    if not layers:
        layers = [rows(_NONE).mark_point(opacity=0).encode(y=y)]
    return alt.layer(*layers).properties(width=440, height=240)


def _points(several: Found) -> list[dict[str, Any]]:
    """What became of the experiments of one row; those of which no run came to an end are left out."""
    return [
        {"row": one.row, "x": _number(outcome.column), "mean": mean, "low": mean - spread, "high": mean + spread}
        for one, _, outcome in several
        if outcome.values
        for mean in [round(fmean(outcome.values), 4)]
        for spread in [stdev(outcome.values) if len(outcome.values) > 1 else 0.0]
    ]


def _number(column: str) -> float:
    return float(column.removesuffix(" %"))
