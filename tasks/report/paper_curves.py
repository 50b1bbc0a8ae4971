"""Learning curves laid out as the paper's: a panel a column of the result, a line a row."""

import altair as alt

from schemas.evaluate import EpochPoint
from tasks.report.charts.look import Chart, Style
from tasks.report.charts.mean_curves import mean_points, panel
from tasks.report.paper_found import Found, Read, finished


def curves(found: Found) -> Chart | None:
    """Clean test accuracy in percent by epoch, mean over seeds; the band is one sample standard deviation.

    Clean experiments that belong to no panel stand in each. None when no run that finished has a curve.
    """
    # The same runs may be measured twice: at the end and in their best epoch.
    shown = [each for each in found if each[0].measured == "accuracy" and _points(each)]
    if not shown:
        return None
    columns = list(dict.fromkeys(one.column for one, *_ in shown if one.noise)) or [shown[0][0].column]
    clean = list(dict.fromkeys(one.row for one, *_ in shown if one.noise is None))
    rows = list(dict.fromkeys(one.row for one, *_ in shown if one.noise))
    style = Style([*clean, *(row for row in rows if row not in clean)], plain=clean)
    panels = [_panel([each for each in shown if _belongs(each, column, columns)], column, style) for column in columns]
    return alt.hconcat(*panels).resolve_scale(color="shared", strokeDash="shared")


def _belongs(each: Read, column: str, columns: list[str]) -> bool:
    one = each[0]
    return one.column == column or (one.noise is None and one.column not in columns)


def _points(each: Read) -> list[tuple[EpochPoint, ...]]:
    return [run.curve for run in finished(each[1]) if run.curve]


def _panel(shown: list[Read], column: str, style: Style) -> Chart:
    points = [point for each in shown for point in mean_points(each[0].row, _points(each))]
    chances = {100 / max(1, len(run.classes)) for _, runs, _ in shown for run in runs}
    return panel(points, column, style, chances, None)
