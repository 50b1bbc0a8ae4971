"""What every figure of learning curves is drawn with: a line with its band, and axes of accuracy by epoch."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from schemas.evaluate import EpochPoint
from tasks.report.svg import INK


def mean_curve(axes: Axes, curves: Sequence[Sequence[EpochPoint]], label: str, colour: str, dash: object) -> None:
    """Clean test accuracy in percent by epoch: the mean of one curve or more as far as all go, over one deviation."""
    length = min(map(len, curves))
    heights = np.array([[point.test_accuracy for point in curve[:length]] for curve in curves])
    epochs, mean = [point.epoch for point in curves[0][:length]], heights.mean(axis=0)
    # A line of one point would not be seen.
    style = {"color": colour, "linestyle": dash, "linewidth": 1.6, "marker": "." * (length == 1)}
    axes.plot(epochs, mean, label=label, **style)
    if len(curves) > 1:
        deviation = heights.std(axis=0, ddof=1)
        axes.fill_between(epochs, mean - deviation, mean + deviation, color=colour, alpha=0.2, linewidth=0)


def by_epoch(axes: Axes, classes: int) -> None:
    """Percent over whole epochs, and a line at what chance gives with so many classes."""
    axes.axhline(100 / max(1, classes), color=INK, alpha=0.5, linewidth=0.8, linestyle=":", label="chance")
    axes.set_ylim(0, 100)
    axes.set_xlabel("epoch", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
