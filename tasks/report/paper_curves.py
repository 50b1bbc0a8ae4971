"""Learning curves laid out as the paper's: a panel a column of the result, a line a row."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from schemas.evaluate import EpochPoint
from tasks.report.mean_curve import by_epoch, mean_curve
from tasks.report.paper_found import Found, Read, finished
from tasks.report.svg import COLOURS, DASHES, INK, plain, to_svg


def curves(found: Found) -> str | None:
    """Clean test accuracy in percent by epoch as SVG, mean over seeds; the band is one sample standard deviation.

    Clean experiments that belong to no panel stand in each. None when no run that finished has a curve.
    """
    # The same runs may be measured twice: at the end and in their best epoch.
    shown = [each for each in found if each[0].measured == "accuracy" and _points(each)]
    if not shown:
        return None
    columns = list(dict.fromkeys(one.column for one, *_ in shown if one.noise)) or [shown[0][0].column]
    rows = list(dict.fromkeys(one.row for one, *_ in shown if one.noise))
    high = 3.2 + 0.2 * (len(rows) + 2)
    figure = Figure(figsize=(max(4.6, 3.4 * len(columns)), high), layout="constrained")
    grid = figure.subplots(1, len(columns), squeeze=False, sharey=True).ravel()
    for axes, column in zip(grid, columns, strict=True):
        _panel(axes, [each for each in shown if _belongs(each, column, columns)], rows)
        axes.set_title(column, fontsize=9)
    grid[0].set_ylabel("clean test accuracy, %", fontsize=8)
    lines = {line.get_label(): line for axes in grid for line in axes.get_lines()}
    figure.legend([*lines.values()], [*lines], loc="outside lower left", frameon=False, labelcolor=INK, fontsize=8)
    return to_svg(figure)


def _belongs(each: Read, column: str, columns: list[str]) -> bool:
    one = each[0]
    return one.column == column or (one.noise is None and one.column not in columns)


def _points(each: Read) -> list[tuple[EpochPoint, ...]]:
    return [run.curve for run in finished(each[1]) if run.curve]


def _panel(axes: Axes, shown: Sequence[Read], rows: list[str]) -> None:
    plain(axes)
    for each in shown:
        if each[0].noise is None:
            mean_curve(axes, _points(each), each[0].row, INK, DASHES[0])
        else:
            at = rows.index(each[0].row)
            dash = DASHES[1 + at % (len(DASHES) - 1)]
            mean_curve(axes, _points(each), each[0].row, COLOURS[at % len(COLOURS)], dash)
    for classes in {len(run.classes) for _, runs, _ in shown for run in runs}:
        by_epoch(axes, classes)
