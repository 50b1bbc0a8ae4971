"""Learning curves: clean test accuracy by epoch."""

from collections.abc import Sequence

import altair as alt

from schemas.countermeasures import EarlyStopping
from schemas.evaluate import VictimRun
from tasks.report.charts.look import Chart, Style
from tasks.report.charts.mean_curves import mean_points, panel
from tasks.report.display import CLEAN, PLAIN, short
from tasks.report.frame import name_of, ordered

MOST_PANELS = 4
Panel = tuple[str, str, str]  # dataset, victim, countermeasure


def learning_curves(runs: Sequence[VictimRun]) -> Chart | None:
    """Clean test accuracy by epoch: a panel a victim and countermeasure, a line a copy (mean over seeds).

    The band is one sample standard deviation. The panels are those of curve_panels; a click on a name in the legend
    picks its lines. None when no run that finished has a curve.
    """
    panels = curve_panels(runs)
    if not panels:
        return None
    drawn = [run for run in _with_curves(runs) if _panel(run) in panels]
    copies = list(dict.fromkeys(map(name_of, drawn)))
    named = slice(0 if len({each[0] for each in panels}) > 1 else 1, None)
    picked = alt.selection_point(fields=["name"], bind="legend", name="picked")
    parts = []
    for at in panels:
        here = [run for run in drawn if _panel(run) == at]
        curves = [(copy, [run.curve for run in here if name_of(run) == copy]) for copy in copies]
        points = [point for copy, several in curves if several for point in mean_points(copy, several)]
        if points:
            title = " · ".join(short(part, 30) for part in at[named])
            chances = {100 / max(1, len(run.classes)) for run in here}
            parts.append(panel(points, title, Style(copies), chances, picked, owner=not parts))
    if not parts:
        return None
    # A row a victim where there are few countermeasures.
    wide = min(MOST_PANELS, len({each[2] for each in panels}) if len(panels) > 3 else len(panels))
    return alt.concat(*parts, columns=wide).resolve_scale(color="shared", strokeDash="shared")


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
