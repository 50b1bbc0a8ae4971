"""The figures of one report, each with its file name, caption and a text for those who can't see it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from infra.errors import one_line
from schemas.evaluate import VictimRun
from tasks.report.charts.confusion import confusion_matrix
from tasks.report.charts.curves import MOST_PANELS, is_limited, learning_curves
from tasks.report.charts.look import Chart, to_spec, to_svg
from tasks.report.display import PLAIN, accuracy
from tasks.report.frame import name_of, ordered
from tasks.report.grid import GAP, picture_grid

CELL_PIXELS = 112  # a small picture is shown at about this width, by a whole factor


@dataclass(frozen=True)
class Picture:
    """A figure: the `name` of its file under figures/, its bytes, and the width in CSS pixels to show it at.

    `spec` is the Vega-Lite specification that a chart's bytes were drawn from.
    """

    name: str
    data: bytes
    caption: str
    alt: str
    width: int | None = None
    spec: Mapping[str, Any] | None = None


def drawn(name: str, chart: Chart, caption: str, alt: str) -> Picture:
    """A chart as a figure."""
    spec = to_spec(chart, alt)
    return Picture(f"{name}.svg", to_svg(spec).encode(), caption, alt, spec=spec)


def curve_pictures(runs: Sequence[VictimRun]) -> list[Picture]:
    """The learning curves; empty when no run has one."""
    chart = learning_curves(runs)
    if chart is None:
        return []
    caption = "Clean test accuracy by epoch: mean over seeds, the band one standard deviation wide to each side."
    if is_limited(runs):
        caption += f" Drawn of each victim: plain training and the countermeasures, {MOST_PANELS} panels in all, under "
        caption += "which protected copies teach most; the others are in curves.parquet."
    alt = "Line chart of clean test accuracy by epoch; the numbers are in curves.parquet."
    return [drawn("learning-curves", chart, caption, alt)]


def confusion_pictures(runs: Sequence[VictimRun]) -> Iterator[Picture]:
    """A confusion matrix a copy and victim, clean parts left out: its first finished seed under plain training."""
    first: dict[tuple[str, str, str], VictimRun] = {}
    for run in ordered(runs):
        if run.countermeasure == PLAIN and run.part != "clean" and not run.diverged:
            first.setdefault((run.dataset, name_of(run), run.victim), run)
    for (dataset, copy, victim), run in first.items():
        if (chart := confusion_matrix(run)) is None:
            continue
        of = one_line(f"{victim} trained on {copy} of {dataset}, seed {run.seed}")
        caption = f"{of}, plain training: true class by row, answer by column. {_favourite(run)}"
        alt = f"Confusion matrix of {of}; the numbers are in confusion.parquet."
        name = file_name("confusion", len(first), list(first).index((dataset, copy, victim)), f"{copy} {victim}")
        yield drawn(name, chart, caption, alt)


def grid_pictures(pictures: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Iterator[Picture]:
    """A grid a caption: original, noise x10 and protected; pairs without a picture are left out. Raises DataError."""
    shown = {caption: pair for caption, pair in pictures.items() if len(pair[0])}
    for number, (caption, (original, protected)) in enumerate(shown.items()):
        wide = original.shape[2]
        scale = max(1, CELL_PIXELS // wide)
        said = f"{one_line(caption)}: original, noise times 10 around mid-gray, protected."
        alt = f"{len(original)} pictures in rows: the original, its noise made visible, and the protected picture."
        name = file_name("pictures", len(shown), number, caption)
        yield Picture(f"{name}.png", picture_grid(original, protected), said, alt, scale * (3 * (wide + GAP) - GAP))


def _favourite(run: VictimRun) -> str:
    """Which answer the victim gives most, for a victim that learned the noise gives few."""
    answers = np.array(run.confusion).sum(axis=0)
    most = int(answers.argmax())
    percent = accuracy(100 * answers[most] / answers.sum())
    return f"Its most frequent answer, {one_line(run.classes[most])}, makes up {percent} % of all."


def file_name(kind: str, of: int, number: int, text: str) -> str:
    """A name of plain letters from any text; numbered, so that no two are alike."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-")
    return "-".join(filter(None, [kind, f"{number + 1:0{len(str(of))}d}", plain]))
