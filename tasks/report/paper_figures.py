"""The paper's figures drawn from our runs; each says of which result it is, and at which scale."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import altair as alt

from infra.errors import one_line
from schemas.evaluate import VictimRun
from schemas.experiments import PaperResult, Scale
from tasks.report.charts.confusion import MOST_LABELS, confusion_matrix
from tasks.report.charts.look import Chart, to_spec, to_svg
from tasks.report.charts.probes import roc_curves
from tasks.report.paper_curves import curves
from tasks.report.paper_found import Found, finished, labelled
from tasks.report.paper_lines import lines


def draw(result: PaperResult, found: Found, scale: Scale) -> dict[str, str]:
    """SVG by file name; none for what the paper gives as a table only, and where no run came to an end."""
    name = labelled(result.name, scale)
    return {each.file: titled(each.chart, name, *each.more) for each in _drawn(result, found)}


def titled(chart: Chart, *title: str) -> str:
    """An SVG of the chart under its title, a line each, which is also its name to a screen reader."""
    lines_ = [one_line(line) for line in title]
    above = alt.TitleParams(text=lines_, anchor="start")
    return to_svg(to_spec(chart.properties(title=above), ": ".join(lines_)))


def slug(text: str) -> str:
    """`text` as part of a file's name: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "row"


class Drawn(NamedTuple):
    """A figure: its file, the chart, and what its title says besides the result's name."""

    file: str
    chart: Chart
    more: tuple[str, ...] = ()


def _drawn(result: PaperResult, found: Found) -> Iterator[Drawn]:
    if result.drawing == "lines":
        yield Drawn("lines.svg", lines(found, result.across))
    elif result.drawing == "curves" and (chart := curves(found)):
        yield Drawn("curves.svg", chart)
    elif result.drawing == "roc" and (chart := _roc(found)):
        yield Drawn("roc.svg", chart)
    elif result.drawing == "confusion":
        yield from _confusions(found)


def _roc(found: Found) -> Chart | None:
    verified = [(one, runs) for one, runs, _ in found if one.measured == "auc"]
    runs = [run for _, several in verified for run in several]
    return roc_curves(runs, verified[0][0].countermeasure.name) if runs else None


def _confusions(found: Found) -> Iterator[Drawn]:
    """The confusion matrix of each protected copy by the first run that finished; above 50 classes it says nothing."""
    runs: dict[str, tuple[str, str, VictimRun]] = {}
    for one, several, _ in found:
        # Accuracy on some classes and on the others comes from one and the same run.
        for run in finished(several)[:1] if one.noise else []:
            if len(run.classes) <= MOST_LABELS:
                runs.setdefault(run.inputs, (one.row, one.column, run))
    rows = [row for row, *_ in runs.values()]
    taken: set[str] = set()
    for row, column, run in runs.values():
        if chart := confusion_matrix(run):
            title = row if rows.count(row) == 1 else f"{row}, {column}"
            yield Drawn(_free(f"confusion-{slug(title)}", taken), chart, (f"{title}; {run.victim}, seed {run.seed}",))


def _free(stem: str, taken: set[str]) -> str:
    """The first of STEM.svg, STEM-2.svg, ... that no other drawing has."""
    number, name = 1, f"{stem}.svg"
    while name in taken:
        number += 1
        name = f"{stem}-{number}.svg"
    taken.add(name)
    return name
