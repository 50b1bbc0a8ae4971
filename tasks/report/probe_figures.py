"""ROC curves of face verification, and the success of triggers by the share that is protected, as SVG."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from schemas.evaluate import Verification, VictimRun
from tasks.report.display import CLEAN, short
from tasks.report.frame import name_of, ordered
from tasks.report.svg import COLOURS, DASHES, INK, plain, to_svg

_GRID = np.linspace(0, 1, 401)
_NOISE = ["method", "form", "epsilon", "variant"]


def roc_curves(runs: Sequence[VictimRun], countermeasure: str) -> str | None:
    """True by false acceptance rate as SVG: a panel a victim, a line a copy (mean over seeds), with its AUC.

    Of the runs under one countermeasure. None when none of them verified faces.
    """
    drawn = [
        run for run in ordered(runs) if run.verification and not run.diverged and run.countermeasure == countermeasure
    ]
    victims = list(dict.fromkeys(run.victim for run in drawn))
    if not victims:
        return None
    copies = list(dict.fromkeys(map(name_of, drawn)))
    wide = max(4.6, 3.6 * len(victims), 0.075 * max(map(len, copies)))  # the legend below needs its room
    figure = Figure(figsize=(wide, 3.8 + 0.22 * len(copies)), layout="constrained")
    for axes, victim in zip(figure.subplots(1, len(victims), squeeze=False).ravel(), victims, strict=True):
        plain(axes)
        _draw_roc(axes, [run for run in drawn if run.victim == victim], copies)
        axes.set_title(short(victim, 30), fontsize=9)
        axes.legend(loc="lower right", frameon=False, labelcolor=INK, fontsize=7, title="AUC", title_fontsize=7)
        axes.get_legend().get_title().set_color(INK)  # pyright: ignore[reportOptionalMemberAccess]
    lines = [
        figure.axes[0].plot([], [], color=_colour(copy, at), linestyle=_dash(copy, at))[0]
        for at, copy in enumerate(copies)
    ]
    figure.legend(lines, copies, loc="outside lower left", frameon=False, labelcolor=INK, fontsize=8)
    return to_svg(figure)


def _draw_roc(axes: Axes, runs: list[VictimRun], copies: list[str]) -> None:
    for at, copy in enumerate(copies):
        found = [run.verification for run in runs if name_of(run) == copy and run.verification]
        if not found:
            continue
        tars = [_on_grid(each) for each in found if each.roc]
        auc = float(np.mean([each.auc for each in found]))
        style = {"color": _colour(copy, at), "linestyle": _dash(copy, at), "linewidth": 1.6, "label": f"{auc:.4f}"}
        axes.plot(_GRID, np.mean(tars, axis=0), **style)
    axes.plot([0, 1], [0, 1], color=INK, alpha=0.5, linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    axes.set_xlabel("false acceptance rate", fontsize=8)
    axes.set_ylabel("true acceptance rate", fontsize=8)


def _on_grid(found: Verification) -> np.ndarray:
    """TAR at the false acceptance rates _GRID; where the curve rises straight up, the upper end counts."""
    highest: dict[float, float] = {}
    for far, tar in sorted(found.roc):
        highest[far] = max(tar, highest.get(far, 0.0))
    return np.interp(_GRID, [*highest], [*highest.values()])


def trigger_lines(triggers: pd.DataFrame, countermeasure: str) -> str | None:
    """Success of a copy's own noise as a trigger by the share of samples that is protected, as SVG: a panel a victim.

    `triggers` are trigger_means, of which those under one countermeasure count; a share of 0 is the clean baseline with
    the same trigger, of all fractions the highest. None when no noise has two shares.
    """
    chosen = (triggers["countermeasure"] == countermeasure) & triggers["own"] & (triggers["part"] == "all")
    cells = triggers[chosen & (triggers["method"] != CLEAN)]
    several = [lines for _, lines in cells.groupby([*_NOISE, "victim"], sort=False) if lines["fraction"].nunique() > 1]
    if not several:
        return None
    victims = list(dict.fromkeys(lines["victim"].iloc[0] for lines in several))
    figure = Figure(figsize=(max(4.6, 3.6 * len(victims)), 3.8), layout="constrained")
    for axes, victim in zip(figure.subplots(1, len(victims), squeeze=False).ravel(), victims, strict=True):
        plain(axes)
        _draw_triggers(axes, [lines for lines in several if lines["victim"].iloc[0] == victim])
        axes.set_title(short(victim, 30), fontsize=9)
    return to_svg(figure)


def _draw_triggers(axes: Axes, noises: list[pd.DataFrame]) -> None:
    for at, lines in enumerate(noises):
        points = lines.sort_values("fraction")
        shares, heights = [*(100 * points["fraction"])], [*points["mean"]]
        deviations = [*points["std"].fillna(0)]
        if points["ceiling"].notna().any():
            shares, heights, deviations = [0.0, *shares], [points["ceiling"].max(), *heights], [0.0, *deviations]
        row = points.iloc[0]
        variant = f", {row['variant']}" if row["variant"] else ""
        label = short(f"{row['method']} ({row['form']}, {row['epsilon']}/255{variant})", 48)
        style = {"linestyle": DASHES[at % len(DASHES)], "marker": "o", "markersize": 4, "capsize": 2, "label": label}
        axes.errorbar(shares, heights, yerr=deviations, color=COLOURS[at % len(COLOURS)], **style)
    axes.set(xlim=(-3, 103), ylim=(0, 103))
    axes.set_xlabel("share of the samples that is protected, %", fontsize=8)
    axes.set_ylabel("success of the trigger, %", fontsize=8)
    axes.legend(loc="best", frameon=False, labelcolor=INK, fontsize=7)


def _colour(copy: str, at: int) -> str:
    return INK if copy == "clean data" else COLOURS[at % len(COLOURS)]


def _dash(copy: str, at: int) -> object:
    return "-" if copy == "clean data" else DASHES[at % len(DASHES)]
