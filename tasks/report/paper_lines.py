"""Numbers over a share or a budget: a line a row of the result, the paper's numbers as crosses."""

from statistics import fmean, stdev

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasks.report.paper_found import Found, rows_of
from tasks.report.svg import COLOURS, DASHES, INK, plain, to_svg

_UNITS = {
    "accuracy": "clean test accuracy, %",
    "peak": "highest clean test accuracy, %",
    "backdoor": "success of the trigger, %",
    "auc": "AUC",
    "tar": "true acceptance rate",
}
_OF_ONE = ("auc", "tar")


def lines(found: Found, across: str) -> str:
    """Mean and sample standard deviation over seeds as SVG, columns being numbers of what `across` says.

    A row of one experiment is a level: a dotted line all along. Runs that diverged leave a gap, and the paper's numbers
    are drawn all the same.
    """
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    plain(axes)
    for at, row in enumerate(rows_of(found)):
        _row(axes, [each for each in found if each[0].row == row], at)
    told = [(one, one.paper) for one, *_ in found if one.paper is not None]
    for one, paper in told:
        colour = _colour(rows_of(found).index(one.row))
        axes.plot([_number(one.column)], [paper], "x", color=colour, markersize=7)
    if told:
        axes.plot([], [], "x", color=INK, label="crosses: the paper")
    measured = found[0][0].measured
    axes.set_ylim(0, 1 if measured in _OF_ONE else 100)
    axes.set_xlabel(across, fontsize=8)
    axes.set_ylabel(_UNITS.get(measured, measured), fontsize=8)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=7, labelcolor=INK)
    return to_svg(figure)


def _row(axes: Axes, several: Found, at: int) -> None:
    ours = [(_number(outcome.column), outcome.values) for *_, outcome in several if outcome.values]
    if not ours:
        return
    row, colour = several[0][0].row, _colour(at)
    means = [fmean(values) for _, values in ours]
    deviations = [stdev(values) if len(values) > 1 else 0.0 for _, values in ours]
    if len(several) == 1:
        axes.axhline(means[0], color=colour, linestyle=":", label=row)
        axes.axhspan(means[0] - deviations[0], means[0] + deviations[0], color=colour, alpha=0.15, linewidth=0)
        return
    style = {"linestyle": DASHES[at % len(DASHES)], "marker": "o", "markersize": 4, "capsize": 2, "label": row}
    axes.errorbar([x for x, _ in ours], means, yerr=deviations, color=colour, **style)


def _colour(at: int) -> str:
    return COLOURS[at % len(COLOURS)]


def _number(column: str) -> float:
    return float(column.removesuffix(" %"))
