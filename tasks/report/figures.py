"""Figures of a report: learning curves and confusion matrices as SVG, grids of pictures as PNG."""

import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from infra.errors import DataError
from schemas.evaluate import VictimRun
from tasks.report.display import copy_name, short
from tasks.report.frame import ordered
from tasks.report.svg import COLOURS, INK, plain, to_svg

MOST_LABELS, MOST_COUNTS, GAP = 50, 12, 2
AMPLIFIED = 10
_DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))


def learning_curves(runs: Sequence[VictimRun]) -> str | None:
    """Clean test accuracy by epoch as SVG: a panel a victim and countermeasure, a line a copy (mean over seeds).

    The band is one sample standard deviation. None when no run that finished has a curve.
    """
    drawn = [run for run in ordered(runs) if run.curve and not run.diverged]
    if not drawn:
        return None
    panels = list(dict.fromkeys(map(_panel, drawn)))
    copies = list(dict.fromkeys(copy_name(run.model_dump()) for run in drawn))
    # A row a victim where there are few countermeasures.
    wide = min(3, len({panel[2] for panel in panels}) if len(panels) > 3 else len(panels))
    high = math.ceil(len(panels) / wide)
    figure = Figure(figsize=(max(4.6, 3.4 * wide), 2.5 * high + 0.3 * len(copies) + 0.2), layout="constrained")
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


def _panel(run: VictimRun) -> tuple[str, str, str]:
    return (run.dataset, run.victim, run.countermeasure)


def _draw_panel(axes: Axes, runs: list[VictimRun], copies: list[str]) -> None:
    plain(axes)
    for number, copy in enumerate(copies):
        curves = [run.curve for run in runs if copy_name(run.model_dump()) == copy]
        if not curves:
            continue
        length = min(map(len, curves))
        heights = np.array([[point.test_accuracy for point in curve[:length]] for curve in curves])
        epochs = [point.epoch for point in curves[0][:length]]
        clean = copy == "clean data"
        colour, dash = (INK, "-") if clean else (COLOURS[number % len(COLOURS)], _DASHES[number % len(_DASHES)])
        mean = heights.mean(axis=0)
        axes.plot(epochs, mean, color=colour, linestyle=dash, linewidth=1.6, label=copy, marker="." * (length == 1))
        if len(curves) > 1:
            deviation = heights.std(axis=0, ddof=1)
            axes.fill_between(epochs, mean - deviation, mean + deviation, color=colour, alpha=0.2, linewidth=0)
    chance = 100 / max(1, len(runs[0].classes))
    axes.axhline(chance, color=INK, alpha=0.5, linewidth=0.8, linestyle=":", label="chance")
    axes.set_ylim(0, 100)
    axes.set_xlabel("epoch", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def confusion_matrix(run: VictimRun) -> str | None:
    """Test pictures by true class (row) and answer (column) as SVG, each row coloured by its shares.

    Class names up to 50 classes, counts in the cells up to 12. None when the run has no such counts.
    """
    counts = np.array(run.confusion, dtype=np.float64)
    if counts.ndim != 2 or not counts.sum():
        return None
    classes = len(counts)
    figure = Figure(figsize=(side := min(8.5, 2.4 + 0.24 * min(classes, MOST_LABELS)), side), layout="constrained")
    axes = figure.subplots()
    plain(axes)
    # Opacity carries the share, so that an empty cell shows the page, be it light or dark.
    colours = np.broadcast_to(np.array([0x3B, 0x82, 0xF6, 0]) / 255, (*counts.shape, 4)).copy()
    colours[..., 3] = 0.85 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(colours, interpolation="nearest")
    axes.set(xlabel="answer", ylabel="true class")
    if classes <= MOST_LABELS:
        names = [short(name, 18) for name in run.classes]
        axes.set_xticks(range(classes), names, rotation=90)
        axes.set_yticks(range(classes), names)
    if classes <= MOST_COUNTS:
        for (row, column), count in np.ndenumerate(counts):
            axes.text(column, row, f"{count:.0f}", ha="center", va="center", fontsize=7, color=INK)
    return to_svg(figure)


def picture_grid(original: np.ndarray, protected: np.ndarray) -> bytes:
    """PNG, a row a picture: original, noise x10 around mid-gray (128), protected; true pixels, 2 clear ones between.

    Both uint8 [n, H, W, 3]. Raises DataError when they are not, or differ in shape.
    """
    if original.shape != protected.shape or original.ndim != 4 or original.shape[-1] != 3 or not original.size:
        shapes = f"{original.shape} and {protected.shape}"
        raise DataError(f"pictures of shape {shapes} make no grid", "give two arrays of the same [n, H, W, 3]")
    if original.dtype != np.uint8 or protected.dtype != np.uint8:
        raise DataError(f"pictures of {original.dtype} and {protected.dtype} make no grid", "give uint8")
    noise = protected.astype(np.int16) - original
    amplified = np.clip(128 + AMPLIFIED * noise, 0, 255).astype(np.uint8)
    number, high, wide, _ = original.shape
    grid = np.zeros((number * (high + GAP) - GAP, 3 * (wide + GAP) - GAP, 4), dtype=np.uint8)
    for column, pictures in enumerate((original, amplified, protected)):
        for row, picture in enumerate(pictures):
            top, left = row * (high + GAP), column * (wide + GAP)
            grid[top : top + high, left : left + wide, :3] = picture
            grid[top : top + high, left : left + wide, 3] = 255
    stream = io.BytesIO()
    Image.fromarray(grid).save(stream, format="PNG", optimize=True)
    return stream.getvalue()
