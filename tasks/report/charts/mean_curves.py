"""What every figure of learning curves is drawn with: a panel of lines over their bands, accuracy by epoch."""

import math
from collections.abc import Collection, Sequence
from statistics import fmean, stdev
from typing import Any

import altair as alt

from schemas.evaluate import EpochPoint
from tasks.report.charts.look import Chart, Style, rows

_TICKS = 6


def mean_points(name: str, curves: Sequence[Sequence[EpochPoint]]) -> list[dict[str, Any]]:
    """Clean test accuracy in percent by epoch: the mean of one curve or more as far as all go.

    `low` and `high` lie one sample standard deviation below and above it; `std` is None of one number. What is no
    number is left out.
    """
    length = min(map(len, curves))
    points = []
    for at in range(length):
        heights = [curve[at].test_accuracy for curve in curves if math.isfinite(curve[at].test_accuracy)]
        if heights:
            mean, std = fmean(heights), stdev(heights) if len(heights) > 1 else None
            points.append(
                {
                    "name": name,
                    "epoch": curves[0][at].epoch,
                    "mean": round(mean, 2),
                    "std": None if std is None else round(std, 2),
                    "low": round(mean - (std or 0), 2),
                    "high": round(mean + (std or 0), 2),
                    "seeds": len(heights),
                }
            )
    return points


def panel(
    points: Sequence[dict[str, Any]],
    title: str,
    style: Style,
    chances: Collection[float],
    picked: alt.Parameter | None,
    *,
    owner: bool = False,
) -> Chart:
    """A line a name of `points`, and a dotted line at each of `chances`, in percent; `picked` dims all other names.

    One panel of a figure is the `owner` of `picked`: its legend, which serves all, answers clicks.
    """
    last = max(point["epoch"] for point in points)
    base = rows(points).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(values=_ticks(last), grid=False, format="d")),
        color=style.colour("name"),
    )
    if picked is not None:
        base = base.encode(opacity=alt.condition(picked, alt.value(1), alt.value(0.12)))
    height = alt.Y("mean:Q", title="clean test accuracy, %", scale=alt.Scale(domain=[0, 100]))
    told = [
        alt.Tooltip("name:N", title="trained on"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("mean:Q", title="accuracy, %", format=".2f"),
        alt.Tooltip("std:Q", title="± over seeds", format=".2f"),
        alt.Tooltip("seeds:Q"),
    ]
    floor = rows([{"chance": round(each, 2)} for each in sorted(chances)])
    below = floor.encode(y=alt.Y("chance:Q"), tooltip=[alt.Tooltip("chance:Q", title="chance, %")])
    lines = [
        base.mark_line(strokeWidth=1.8).encode(y=height, strokeDash=style.dash("name")),
        base.mark_point(filled=True, size=30).encode(y=height, tooltip=told),
    ]
    if any(point["std"] is not None for point in points):
        lines.insert(0, base.mark_area(fillOpacity=0.2, strokeOpacity=0).encode(y="low:Q", y2="high:Q"))
    if picked is not None and owner:
        lines[0] = lines[0].add_params(picked)  # Vega-Lite makes the legend of the first layer with colours
    layers = [
        below.mark_rule(strokeDash=[1, 3], opacity=0.6),
        below.mark_text(align="right", baseline="bottom", dy=-1, fontSize=9).encode(
            x=alt.value("width"), text=alt.value("chance")
        ),
        *lines,
    ]
    return alt.layer(*layers).properties(title=title, width=250, height=190)


def _ticks(last: int) -> list[int]:
    """A few whole epochs up to the last."""
    step = max(1, round(last / _TICKS))
    return list(dict.fromkeys([1, *range(step, last + 1, step)]))
