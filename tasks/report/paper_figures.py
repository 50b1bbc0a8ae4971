"""The paper's figures drawn from our runs."""

from collections.abc import Sequence
from statistics import fmean, stdev

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from schemas.evaluate import VictimRun
from schemas.experiments import Experiment, Outcome, PaperResult, Scale
from tasks.report.figures import confusion_matrix
from tasks.report.svg import COLOURS, INK, plain, to_svg

_Found = Sequence[tuple[Experiment, tuple[VictimRun, ...], Outcome]]
_UNITS = {"accuracy": "clean test accuracy, %", "backdoor": "success of the trigger, %"}


def draw(result: PaperResult, found: _Found, scale: Scale) -> dict[str, str]:
    """SVG by file name; none for what the paper gives as a table only."""
    label = " (small scale)" if scale == "small" else ""
    if result.drawing == "curves":
        return {"curves.svg": _curves(found, result.name + label)}
    if result.drawing == "lines":
        return {"lines.svg": _lines(found, result.name + label)}
    if result.drawing == "roc":
        return {"roc.svg": _roc(found, result.name + label)}
    if result.drawing == "confusion":
        return _confusions(found)
    return {}


def _curves(found: _Found, title: str) -> str:
    """A panel a column, a line a row: clean test accuracy by epoch, mean over seeds."""
    columns = list(dict.fromkeys(one.column for one, *_ in found if one.noise)) or ["clean"]
    figure = Figure(figsize=(4.2 * len(columns), 3.4), layout="constrained")
    grid = figure.subplots(1, len(columns), squeeze=False, sharey=True).ravel()
    rows = list(dict.fromkeys(one.row for one, *_ in found))
    for axes, column in zip(grid, columns, strict=True):
        shown = [(one, runs) for one, runs, _ in found if one.column in {column, "clean"}]
        for one, runs in shown:
            _curve(axes, one.row, [run for run in runs if not run.diverged], rows.index(one.row))
        _finish(axes, f"{title}: {column}", "epoch", _UNITS["accuracy"])
    return to_svg(figure)


def _curve(axes: Axes, label: str, runs: Sequence[VictimRun], number: int) -> None:
    if not runs:
        return
    heights = [fmean(points) for points in zip(*([p.test_accuracy for p in run.curve] for run in runs), strict=False)]
    colour = COLOURS[number % len(COLOURS)]
    axes.plot(range(1, len(heights) + 1), heights, label=label, color=colour, marker="." * (len(heights) == 1))


def _lines(found: _Found, title: str) -> str:
    """A line a row over the columns, with the deviation over seeds; the paper's numbers as crosses."""
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    rows = list(dict.fromkeys(one.row for one, *_ in found))
    for number, row in enumerate(rows):
        colour = COLOURS[number % len(COLOURS)]
        ours = [(_number(o.column), o.values) for _, _, o in found if o.row == row and o.values]
        if len(ours) == 1:
            axes.axhline(fmean(ours[0][1]), color=colour, linestyle=":", label=row)
            continue
        errors = [stdev(values) if len(values) > 1 else 0.0 for _, values in ours]
        axes.errorbar([x for x, _ in ours], [fmean(v) for _, v in ours], errors, color=colour, label=row, capsize=2)
        told = [(_number(o.column), o.paper) for _, _, o in found if o.row == row and o.paper is not None]
        axes.plot([x for x, _ in told], [y for _, y in told], "x", color=colour)
    measured = next(iter(found))[0].measured
    _finish(axes, f"{title}; crosses: the paper", "percent, or 1/255", _UNITS.get(measured, measured))
    return to_svg(figure)


def _number(column: str) -> float:
    return float(column.removesuffix(" %"))


def _roc(found: _Found, title: str) -> str:
    """The ROC curve of each row's first seed."""
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    for number, (one, runs, _) in enumerate(each for each in found if each[0].measured == "auc"):
        curve = next((run.verification.roc for run in runs if run.verification), None)
        if curve:
            axes.plot([x for x, _ in curve], [y for _, y in curve], color=COLOURS[number % len(COLOURS)], label=one.row)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":", label="guessing")
    axes.set_xlabel("false acceptance rate")
    _finish(axes, f"{title}, first seed", "false acceptance rate", "true acceptance rate", top=1)
    return to_svg(figure)


def _confusions(found: _Found) -> dict[str, str]:
    """The first seed's confusion matrix of each protected copy."""
    drawn: dict[str, str] = {}
    shown: set[str] = set()
    for one, runs, _ in found:
        if one.noise is None or not runs or runs[0].inputs in shown:
            continue
        shown.add(runs[0].inputs)
        picture = confusion_matrix(runs[0])
        if picture is not None:
            drawn[f"confusion-{len(shown)}.svg"] = picture
    return drawn


def _finish(axes: Axes, title: str, across: str, up: str, top: float = 100) -> None:
    plain(axes)
    axes.set(title=title, xlabel=across, ylabel=up, ylim=(0, top))
    axes.title.set_fontsize(9)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(8)
    axes.legend(frameon=False, fontsize=7, labelcolor=INK)
