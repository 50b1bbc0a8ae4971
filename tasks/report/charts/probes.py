"""ROC curves of face verification, and the success of triggers by the share that is protected."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from schemas.evaluate import Verification, VictimRun
from tasks.report.charts.look import INK, Chart, Style, rows
from tasks.report.display import CLEAN, short
from tasks.report.frame import name_of, ordered

_GRID = np.linspace(0, 1, 201)
_NOISE = ["method", "form", "epsilon", "variant"]


def roc_curves(runs: Sequence[VictimRun], countermeasure: str) -> Chart | None:
    """True by false acceptance rate: a panel a victim, a line a copy (mean over seeds), with its AUC.

    Of the runs under one countermeasure. None when none of them verified faces.
    """
    drawn = [
        run for run in ordered(runs) if run.verification and not run.diverged and run.countermeasure == countermeasure
    ]
    victims = list(dict.fromkeys(run.victim for run in drawn))
    if not victims:
        return None
    copies = list(dict.fromkeys(map(name_of, drawn)))
    panels = [_roc([run for run in drawn if run.victim == victim], copies, short(victim, 30)) for victim in victims]
    return alt.hconcat(*panels).resolve_scale(color="shared", strokeDash="shared")


def _roc(runs: list[VictimRun], copies: list[str], title: str) -> Chart:
    points: list[dict[str, Any]] = []
    areas: list[dict[str, Any]] = []
    for copy in copies:
        found = [run.verification for run in runs if name_of(run) == copy and run.verification]
        curves = [_on_grid(each) for each in found if each.roc]
        if curves:
            means = np.mean(curves, axis=0).round(4).tolist()
            points += [{"name": copy, "far": far, "tar": tar} for far, tar in zip(_GRID.tolist(), means, strict=True)]
            areas.append({"name": copy, "auc": f"{np.mean([each.auc for each in found]):.4f}", "at": len(areas)})
    style = Style(copies)
    guess = rows([{"far": 0, "tar": 0}, {"far": 1, "tar": 1}])
    told = rows(areas).mark_text(align="right", fontSize=10)
    lines = (
        rows(points)
        .mark_line(strokeWidth=1.8)
        .encode(
            x=alt.X("far:Q", title="false acceptance rate", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("tar:Q", title="true acceptance rate", scale=alt.Scale(domain=[0, 1])),
            color=style.colour("name"),
            strokeDash=style.dash("name"),
            tooltip=[
                alt.Tooltip("name:N", title="trained on"),
                alt.Tooltip("far:Q", title="false acceptance"),
                alt.Tooltip("tar:Q", title="true acceptance", format=".4f"),
            ],
        )
    )
    return alt.layer(
        guess.mark_line(color=INK, strokeDash=[1, 3], strokeWidth=0.8, opacity=0.6).encode(x="far:Q", y="tar:Q"),
        lines,
        told.transform_calculate(tar="0.05 + 0.06 * datum.at", far="0.98").encode(
            x="far:Q", y="tar:Q", text="auc:N", color=style.colour("name")
        ),
        rows([{"far": 0.98, "tar": 0.05 + 0.06 * len(areas)}])
        .mark_text(align="right", fontSize=10)
        .encode(x="far:Q", y="tar:Q", text=alt.value("AUC")),
    ).properties(title=title, width=300, height=300)


def _on_grid(found: Verification) -> np.ndarray:
    """TAR at the false acceptance rates _GRID; where the curve rises straight up, the upper end counts."""
    highest: dict[float, float] = {}
    for far, tar in sorted(found.roc):
        highest[far] = max(tar, highest.get(far, 0.0))
    return np.interp(_GRID, [*highest], [*highest.values()])


def trigger_lines(triggers: pd.DataFrame, countermeasure: str) -> Chart | None:
    """Success of a copy's own noise as a trigger by the share of samples that is protected: a panel a victim.

    `triggers` are trigger_means, of which those under one countermeasure count; a share of 0 is the clean baseline with
    the same trigger, of all fractions the highest. None when no noise has two shares.
    """
    chosen = (triggers["countermeasure"] == countermeasure) & triggers["own"] & (triggers["part"] == "all")
    cells = triggers[chosen & (triggers["method"] != CLEAN)]
    several = [lines for _, lines in cells.groupby([*_NOISE, "victim"], sort=False) if lines["fraction"].nunique() > 1]
    victims = list(dict.fromkeys(lines["victim"].iloc[0] for lines in several))
    if not victims:
        return None
    points = [(lines["victim"].iloc[0], point) for lines in several for point in _shares(lines)]
    style = Style(list(dict.fromkeys(point["noise"] for _, point in points)))
    panels = [_success([p for at, p in points if at == victim], style, short(victim, 30)) for victim in victims]
    return alt.hconcat(*panels).resolve_scale(color="shared", strokeDash="shared")


def _shares(lines: pd.DataFrame) -> list[dict[str, Any]]:
    found = lines.sort_values("fraction")
    row = found.iloc[0]
    variant = f", {row['variant']}" if row["variant"] else ""
    noise = short(f"{row['method']} ({row['form']}, {row['epsilon']}/255{variant})", 48)
    rows = list(zip(100 * found["fraction"], found["mean"], found["std"].fillna(0), strict=True))
    if found["ceiling"].notna().any():
        rows = [(0.0, found["ceiling"].max(), 0.0), *rows]
    return [
        {
            "noise": noise,
            "share": round(float(share), 2),
            "success": round(float(mean), 2),
            "low": round(float(mean - std), 2),
            "high": round(float(mean + std), 2),
        }
        for share, mean, std in rows
    ]


def _success(points: list[dict[str, Any]], style: Style, title: str) -> Chart:
    base = rows(points).encode(
        x=alt.X("share:Q", title="share of the samples that is protected, %", scale=alt.Scale(domain=[0, 100])),
        color=style.colour("noise"),
        tooltip=[
            alt.Tooltip("noise:N"),
            alt.Tooltip("share:Q", title="protected, %"),
            alt.Tooltip("success:Q", title="success, %", format=".2f"),
        ],
    )
    height = alt.Y("success:Q", title="success of the trigger, %", scale=alt.Scale(domain=[0, 100]))
    return alt.layer(
        base.mark_rule().encode(y="low:Q", y2="high:Q"),
        base.mark_line(strokeWidth=1.8).encode(y=height, strokeDash=style.dash("noise")),
        base.mark_point(filled=True, size=36).encode(y=height),
    ).properties(title=title, width=300, height=260)
