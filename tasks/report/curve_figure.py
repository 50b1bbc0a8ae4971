"""Learning curves as SVG."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from schemas.countermeasures import EarlyStopping
from schemas.evaluate import VictimRun
from tasks.report.display import CLEAN, PLAIN, short
from tasks.report.frame import name_of, ordered
from tasks.report.mean_curve import by_epoch, mean_curve
from tasks.report.svg import COLOURS, DASHES, INK, plain, to_svg

MOST_PANELS = 4
Panel = tuple[str, str, str]  # dataset, victim, countermeasure


def learning_curves(runs: Sequence[VictimRun]) -> str | None:
    """Clean test accuracy by epoch as SVG: a panel a victim and countermeasure, a line a copy (mean over seeds).

    The band is one sample standard deviation. The panels are those of curve_panels. None when no run that finished has
    a curve.
    """
    panels = curve_panels(runs)
    if not panels:
        return None
    drawn = [run for run in _with_curves(runs) if _panel(run) in panels]
    copies = list(dict.fromkeys(map(name_of, drawn)))
    # A row a victim where there are few countermeasures.
    wide = min(MOST_PANELS, len({panel[2] for panel in panels}) if len(panels) > 3 else len(panels))
    high = math.ceil(len(panels) / wide)
    figure = Figure(figsize=(max(4.6, 3.0 * wide), 2.5 * high + 0.3 * len(copies) + 0.2), layout="constrained")
    grid = figure.subplots(high, wide, squeeze=False, sharey=True).ravel()
    named = slice(0 if len({panel[0] for panel in panels}) > 1 else 1, None)
    for axes, panel in zip(grid, panels, strict=False):
        _draw_panel(axes, [run for run in drawn if _panel(run) == panel], copies)
        axes.set_title(" · ".join(short(part, 30) for part in panel[named]), fontsize=9)
    for axes in grid[::wide]:
        axes.set_ylabel("clean test accuracy, %", fontsize=8)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    lines = {line.get_label(): line for axes in grid for line in axes.get_lines()}
    figure.legend(
        list(lines.values()), list(lines), loc="outside lower left", frameon=False, labelcolor=INK, fontsize=8
    )
    return to_svg(figure)


def curve_panels(runs: Sequence[VictimRun]) -> list[Panel]:
    """The panels that are drawn: of each victim plain training and the countermeasures under which copies teach most.

    No more than MOST_PANELS of a victim. Early stopping has none beside plain training, whose curve it is.
    """
    panels: dict[tuple[str, str], dict[str, list[float]]] = {}
    for run in _with_curves(runs):
        reached = panels.setdefault((run.dataset, run.victim), {}).setdefault(run.countermeasure, [])
        if run.method != CLEAN and run.part != "clean":
            reached.append(run.test_accuracy)
    return [(*victim, name) for victim, reached in panels.items() for name in _most_telling(reached)]


def is_limited(runs: Sequence[VictimRun]) -> bool:
    """True when some countermeasures that left a curve have no panel."""
    missing = {_panel(run) for run in _with_curves(runs)} - set(curve_panels(runs))
    return any(panel[2] != EarlyStopping().name for panel in missing)


def _most_telling(reached: dict[str, list[float]]) -> list[str]:
    names = [name for name in reached if PLAIN not in reached or name != EarlyStopping().name]
    others = sorted((name for name in names if name != PLAIN), key=lambda name: -max(reached[name], default=-1.0))
    first = [PLAIN] if PLAIN in reached else []
    chosen = {*first, *others[: MOST_PANELS - len(first)]}
    return [name for name in names if name in chosen]


def _with_curves(runs: Sequence[VictimRun]) -> list[VictimRun]:
    return [run for run in ordered(runs) if run.curve and not run.diverged]


def _panel(run: VictimRun) -> Panel:
    return (run.dataset, run.victim, run.countermeasure)


def _draw_panel(axes: Axes, runs: list[VictimRun], copies: list[str]) -> None:
    plain(axes)
    for number, copy in enumerate(copies):
        curves = [run.curve for run in runs if name_of(run) == copy]
        if not curves:
            continue
        clean = copy == "clean data"
        colour, dash = (INK, "-") if clean else (COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)])
        mean_curve(axes, curves, copy, colour, dash)
    by_epoch(axes, len(runs[0].classes))
