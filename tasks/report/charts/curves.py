"""Learning curves: clean test accuracy by epoch."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from schemas.countermeasures import EarlyStopping
from schemas.evaluate import VictimRun
from tasks.report.charts.look import COLOURS, DASHES, INK, Chart
from tasks.report.display import CLEAN, PLAIN, short
from tasks.report.frame import name_of, ordered

MOST_PANELS = 4
_TICKS = 6
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
    means, chance = _means(drawn), 100 / max(1, len(drawn[0].classes))
    copies = list(dict.fromkeys(means["copy"]))
    named = slice(0 if len({panel[0] for panel in panels}) > 1 else 1, None)
    picked = alt.selection_point(fields=["copy"], bind="legend", name="picked")
    parts = [
        _draw(means[means["panel"] == at], " · ".join(short(part, 30) for part in panel[named]), copies, chance, picked)
        for at, panel in enumerate(panels)
    ]
    # A row a victim where there are few countermeasures.
    wide = min(MOST_PANELS, len({panel[2] for panel in panels}) if len(panels) > 3 else len(panels))
    return alt.concat(*parts, columns=wide).resolve_scale(color="shared", strokeDash="shared").add_params(picked)


def _means(runs: Sequence[VictimRun]) -> pd.DataFrame:
    """One row a panel, copy and epoch as far as all seeds go: mean, and one deviation below and above it."""
    panels = list(dict.fromkeys(map(_panel, runs)))
    points = pd.DataFrame(
        [
            (panels.index(_panel(run)), name_of(run), run.seed, each.epoch, each.test_accuracy)
            for run in runs
            for each in run.curve
        ],
        columns=["panel", "copy", "seed", "epoch", "accuracy"],
    )
    cells = points.groupby(["panel", "copy", "epoch"], sort=False)["accuracy"]
    means = cells.agg(mean="mean", std="std", seeds="size").reset_index()
    whole = means.groupby(["panel", "copy"])["seeds"].transform("max")
    means = means[means["seeds"] == whole]
    deviation = means["std"].fillna(0)
    return means.assign(low=means["mean"] - deviation, high=means["mean"] + deviation).round(2)


def _draw(means: pd.DataFrame, title: str, copies: list[str], chance: float, picked: alt.Parameter) -> alt.LayerChart:
    colours = alt.Scale(domain=copies, range=[_colour(name, at) for at, name in enumerate(copies)])
    dashes = alt.Scale(domain=copies, range=[list(DASHES[at % len(DASHES)]) for at in range(len(copies))])
    data = means[["copy", "epoch", "mean", "std", "low", "high", "seeds"]]
    data = data.astype(object).where(data.notna(), None)
    base = alt.Chart(data).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(values=_ticks(int(means["epoch"].max())), grid=False, format="d")),
        color=alt.Color("copy:N", scale=colours, sort=copies),
        opacity=alt.condition(picked, alt.value(1), alt.value(0.12)),
    )
    height = alt.Y("mean:Q", title="clean test accuracy, %", scale=alt.Scale(domain=[0, 100]))
    told = [
        alt.Tooltip("copy:N", title="trained on"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("mean:Q", title="accuracy, %", format=".2f"),
        alt.Tooltip("std:Q", title="± over seeds", format=".2f"),
        alt.Tooltip("seeds:Q"),
    ]
    floor = alt.Chart(alt.Data(values=[{"chance": round(chance, 2)}])).mark_rule(strokeDash=[1, 3], opacity=0.6)
    return alt.layer(
        floor.encode(y="chance:Q", tooltip=[alt.Tooltip("chance:Q", title="chance, %")]),
        base.mark_area(fillOpacity=0.2, strokeOpacity=0).encode(y="low:Q", y2="high:Q"),
        base.mark_line(strokeWidth=1.8).encode(y=height, strokeDash=alt.StrokeDash("copy:N", scale=dashes, sort=copies)),
        base.mark_point(filled=True, size=36).encode(y=height, tooltip=told),
    ).properties(title=title, width=250, height=190)


def _ticks(last: int) -> list[int]:
    """A few whole epochs from 1 to the last, for whole numbers on the axis."""
    step = max(1, round(last / _TICKS))
    return list(dict.fromkeys([1, *range(step, last + 1, step)]))


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


def _colour(copy: str, at: int) -> str:
    return INK if copy == "clean data" else COLOURS[at % len(COLOURS)]
