"""Dot plots as SVG: what each countermeasure gives back, and what becomes of each class."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasks.report.display import PLAIN, judge, records, share, short
from tasks.report.svg import COLOURS, INK, plain, to_svg

FEWEST_COUNTERMEASURES = 4
_ROW, _FRAME = 0.23, 1.35  # inches
# What a dot stands for: its colour, its shape (for those who can't tell the colours) and its name.
_DOTS: dict[str, tuple[str, str, str]] = {
    "holds": ("#1f9d55", "o", "protected: holds"),
    "partly": ("#e07b00", "D", "protected: partly"),
    "undone": ("#e5484d", "s", "protected: undone"),
    "unknown": (COLOURS[0], "o", "protected"),
    "protected": (COLOURS[0], "D", "protected class"),
    "other": (COLOURS[1], "o", "other class"),
}
_SMALL: dict[str, Any] = {"fontsize": 7, "color": INK}


def suite_dots(cells: pd.DataFrame) -> str | None:
    """Accuracy of one victim on one copy under each countermeasure, the highest on top, as SVG.

    `cells` are its rows of the summary: protected mean with its deviation over seeds, coloured by judgement, beside the
    clean ceiling, chance and the share of protection kept. None for fewer than FEWEST_COUNTERMEASURES numbers.
    """
    rows = [row for row in records(cells.sort_values("mean", kind="stable")) if not np.isnan(row["mean"])]
    if len(rows) < FEWEST_COUNTERMEASURES:
        return None
    figure = Figure(figsize=(7.6, _ROW * len(rows) + _FRAME), layout="constrained")
    axes = figure.subplots()
    names = ["none (plain training)" if row["countermeasure"] == PLAIN else row["countermeasure"] for row in rows]
    _draw(axes, rows, names)
    for place, row in enumerate(rows):
        axes.text(1.02, place, share(row["kept"]), transform=axes.get_yaxis_transform(), **_SMALL, va="center")
    axes.text(1.02, len(rows) - 0.4, "kept", transform=axes.get_yaxis_transform(), **_SMALL, va="bottom")
    axes.set_xlabel("clean test accuracy, %", fontsize=8)
    _legend(figure, rows)
    return to_svg(figure)


def class_dots(cells: pd.DataFrame, one: str) -> str | None:
    """Accuracy of one victim on each class, protected ones on top, beside the clean ceiling on that class, as SVG.

    `cells` are its rows of class_means; `one` is what a class is called. None without a number.
    """
    chosen = cells[::-1].sort_values("protected", kind="stable")  # drawn from below
    rows = [row for row in records(chosen) if not np.isnan(row["mean"])]
    if not rows:
        return None
    figure = Figure(figsize=(7.6, _ROW * len(rows) + _FRAME), layout="constrained")
    axes = figure.subplots()
    _draw(axes, rows, [f"{short(row['class'], 24)}{' (protected)' if row['protected'] else ''}" for row in rows])
    axes.set_xlabel(f"accuracy on clean test pictures of the {one}, %", fontsize=8)
    _legend(figure, rows)
    return to_svg(figure)


def _draw(axes: Axes, rows: list[dict[str, Any]], names: list[str]) -> None:
    plain(axes)
    for place, row in enumerate(rows):
        colour, shape, _ = _DOTS[_kind(row)]
        axes.plot([row["mean"], row["ceiling"]], [place, place], color=INK, alpha=0.25, linewidth=0.8, zorder=1)
        axes.plot(row["ceiling"], place, marker="o", markersize=5.5, markerfacecolor="none", color=INK, zorder=2)
        deviation = 0.0 if np.isnan(row["std"]) else row["std"]
        style = {"markersize": 5, "elinewidth": 1.4, "capsize": 2, "zorder": 3}
        axes.errorbar(row["mean"], place, xerr=deviation, fmt=shape, color=colour, **style)
    if "chance" in rows[0]:
        axes.axvline(rows[0]["chance"], color=INK, alpha=0.5, linewidth=0.8, linestyle=":", zorder=0)
    axes.set_yticks(range(len(rows)), [short(name, 40) for name in names])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlim(0, 100)
    axes.grid(axis="x", color=INK, alpha=0.12, linewidth=0.6)


def _kind(row: Mapping[str, Any]) -> str:
    """A countermeasure is coloured by judgement; a class by whether it was to be protected."""
    if "kept" in row:
        return judge(row["kept"])
    return "protected" if row["protected"] else "other"


def _legend(figure: Figure, rows: list[dict[str, Any]]) -> None:
    used = set(map(_kind, rows))
    dots = [
        Line2D([], [], color=colour, marker=shape, linestyle="", label=name)
        for kind, (colour, shape, name) in _DOTS.items()
        if kind in used
    ]
    clean = Line2D([], [], color=INK, marker="o", markerfacecolor="none", linestyle="", label="clean ceiling")
    chance = Line2D([], [], color=INK, alpha=0.5, linestyle=":", linewidth=0.8, label="chance")
    handles = [*dots, clean, *([chance] if "chance" in rows[0] else [])]
    figure.legend(handles=handles, loc="outside lower left", ncols=5, frameon=False, labelcolor=INK, fontsize=8)
