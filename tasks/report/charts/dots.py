"""Dot plots: what each countermeasure gives back, and what becomes of each class."""

from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd

from infra.errors import one_line
from tasks.report.charts.look import COLOURS, INK, Chart, rows
from tasks.report.display import PLAIN, judge, records, share

FEWEST_COUNTERMEASURES = 4
_ROW, _WIDE = 17, 560  # pixels
# What a dot stands for: its name, its colour, its shape (for those who can't tell the colours).
_DOTS = {
    "holds": ("protected: holds", "#1a8a4e", "circle"),
    "partly": ("protected: partly", "#c26a00", "diamond"),
    "undone": ("protected: undone", "#e5484d", "square"),
    "unknown": ("protected", COLOURS[0], "circle"),
    "protected": ("protected class", COLOURS[0], "diamond"),
    "other": ("other class", COLOURS[1], "circle"),
    "ceiling": ("clean ceiling", INK, "circle"),
}


def suite_dots(cells: pd.DataFrame) -> Chart | None:
    """Accuracy of one victim on one copy under each countermeasure, the highest on top.

    `cells` are its rows of the summary: protected mean with its deviation over seeds, coloured by judgement, beside the
    clean ceiling, chance and the share of protection kept. None for fewer than FEWEST_COUNTERMEASURES numbers.
    """
    found = [row for row in records(cells.sort_values("mean", kind="stable"))[::-1] if not np.isnan(row["mean"])]
    if len(found) < FEWEST_COUNTERMEASURES:
        return None
    names = ["none (plain training)" if row["countermeasure"] == PLAIN else row["countermeasure"] for row in found]
    points = [_point(row, name, judge(row["kept"]), share(row["kept"])) for row, name in zip(found, names, strict=True)]
    return _draw(points, "countermeasure", "clean test accuracy, %", found[0]["chance"])


def class_dots(cells: pd.DataFrame, one: str) -> Chart | None:
    """Accuracy of one victim on each class, protected ones on top, beside the clean ceiling on that class.

    `cells` are its rows of class_means; `one` is what a class is called. None without a number.
    """
    chosen = cells.sort_values("protected", kind="stable", ascending=False)
    found = [row for row in records(chosen) if not np.isnan(row["mean"])]
    if not found:
        return None
    points = [
        _point(row, f"{row['class']}{' (protected)' if row['protected'] else ''}", _kind(row), "") for row in found
    ]
    return _draw(points, one, f"accuracy on clean test pictures of the {one}, %", None)


def _kind(row: dict[str, Any]) -> str:
    return "protected" if row["protected"] else "other"


def _point(row: dict[str, Any], name: str, kind: str, kept: str) -> dict[str, Any]:
    """One row of the figure as data of its own; a number that is missing is None, for JSON has no NaN."""
    deviation = 0.0 if np.isnan(row["std"]) else row["std"]
    return {
        "name": one_line(name),
        "kind": _DOTS[kind][0],
        "mean": round(row["mean"], 2),
        "std": None if np.isnan(row["std"]) else round(row["std"], 2),
        "low": round(row["mean"] - deviation, 2),
        "high": round(row["mean"] + deviation, 2),
        "ceiling": None if np.isnan(row["ceiling"]) else round(row["ceiling"], 2),
        "kept": kept,
    }


def _draw(points: list[dict[str, Any]], what: str, axis: str, chance: float | None) -> Chart:
    order = [point["name"] for point in points]
    kinds = [dot for dot in _DOTS.values() if dot[0] in {p["kind"] for p in points} or dot[0] == _DOTS["ceiling"][0]]
    domain, colours, shapes = ([dot[at] for dot in kinds] for at in range(3))
    told = [
        alt.Tooltip("name:N", title=what),
        alt.Tooltip("mean:Q", title="protected, %", format=".2f"),
        alt.Tooltip("std:Q", title="± over seeds", format=".2f"),
        alt.Tooltip("ceiling:Q", title="clean ceiling, %", format=".2f"),
        *([alt.Tooltip("kept:N")] if chance is not None else []),
    ]
    base = rows(points).encode(
        y=alt.Y("name:N", sort=order, title=None, axis=alt.Axis(grid=False, domain=False, ticks=False)),
        tooltip=told,
    )
    along = alt.X("mean:Q", title=axis, scale=alt.Scale(domain=[0, 100], clamp=True))
    colour = alt.Color(
        "kind:N", scale=alt.Scale(domain=domain, range=colours), legend=alt.Legend(direction="horizontal")
    )
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=domain, range=shapes))
    clean = base.transform_calculate(kind=f"'{_DOTS['ceiling'][0]}'").encode(x="ceiling:Q", color=colour, shape=shape)
    layers = [
        base.mark_rule(opacity=0.3).encode(x=along, x2="ceiling:Q"),
        clean.mark_point(size=45, filled=False, strokeWidth=1.2),
        base.mark_rule(strokeWidth=1.6).encode(x="low:Q", x2="high:Q", color=colour),
        base.mark_point(size=50, filled=True, opacity=1).encode(x=along, color=colour, shape=shape),
    ]
    if chance is not None:
        floor = rows([{"chance": round(chance, 2)}])
        line = floor.mark_rule(strokeDash=[1, 3], opacity=0.6)
        layers.append(line.encode(x="chance:Q", tooltip=[alt.Tooltip("chance:Q", title="chance, %")]))
        layers.append(_said(floor, "chance").encode(x="chance:Q"))
        layers.append(_said(floor, "kept", align="left").encode(x=alt.value(_WIDE + 8)))
        layers.append(base.mark_text(align="left", fontSize=10).encode(x=alt.value(_WIDE + 8), text="kept:N"))
    return alt.layer(*layers).properties(width=_WIDE, height=_ROW * len(points))


def _said(base: alt.Chart, text: str, align: Literal["left", "center"] = "center") -> alt.Chart:
    """A word above the rows."""
    return base.mark_text(align=align, baseline="bottom", dy=-2, fontSize=9).encode(
        y=alt.value(0), text=alt.value(text)
    )
