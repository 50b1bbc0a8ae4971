"""The paper's figures drawn from our runs; each says of which result it is, and at which scale."""

import re
from collections.abc import Iterator
from html import escape

from infra.errors import one_line
from schemas.evaluate import VictimRun
from schemas.experiments import PaperResult, Scale
from tasks.report.figures import MOST_LABELS, confusion_matrix
from tasks.report.paper_curves import curves
from tasks.report.paper_found import Found, finished, labelled
from tasks.report.paper_lines import lines
from tasks.report.probe_figures import roc_curves

_LINE, _BELOW = 14, 6  # height of a line of the title, and what is left under it, in points
_FRAME = re.compile(r'height="([\d.]+)pt" viewBox="0 0 ([\d.]+) [\d.]+"([^>]*>)')


def draw(result: PaperResult, found: Found, scale: Scale) -> dict[str, str]:
    """SVG by file name; none for what the paper gives as a table only, and where no run came to an end."""
    name = labelled(result.name, scale)
    return {file: titled(drawing, name, *more) for file, drawing, *more in _drawn(result, found)}


def titled(drawing: str, *title: str) -> str:
    """An SVG of matplotlib's with a title above it, a line each, which is also its name to a screen reader."""
    lines_ = [escape(one_line(line)) for line in title]
    above = _LINE * len(lines_) + _BELOW

    def grown(found: re.Match[str]) -> str:
        high, wide, rest = float(found[1]) + above, found[2], found[3]
        texts = "".join(
            f'<text x="6" y="{_LINE * (at + 1) - above}" font-family="sans-serif" font-size="10" fill="currentColor">'
            f"{line}</text>"
            for at, line in enumerate(lines_)
        )
        named = f"<title>{': '.join(lines_)}</title>{texts}"
        return f'height="{high:g}pt" viewBox="0 -{above} {wide} {high:g}"{rest}{named}'

    return _FRAME.sub(grown, drawing, count=1)


def slug(text: str) -> str:
    """`text` as part of a file's name: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "row"


def _drawn(result: PaperResult, found: Found) -> Iterator[tuple[str, ...]]:
    """File name, SVG and what its title says besides the result's name."""
    if result.drawing == "lines":
        yield "lines.svg", lines(found, result.across)
    elif result.drawing == "curves" and (drawing := curves(found)):
        yield "curves.svg", drawing
    elif result.drawing == "roc" and (drawing := _roc(found)):
        yield "roc.svg", drawing
    elif result.drawing == "confusion":
        yield from _confusions(found)


def _roc(found: Found) -> str | None:
    verified = [(one, runs) for one, runs, _ in found if one.measured == "auc"]
    runs = [run for _, several in verified for run in several]
    return roc_curves(runs, verified[0][0].countermeasure.name) if runs else None


def _confusions(found: Found) -> Iterator[tuple[str, ...]]:
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
        drawing = confusion_matrix(run)
        if drawing:
            title = row if rows.count(row) == 1 else f"{row}, {column}"
            yield _free(f"confusion-{slug(title)}", taken), drawing, f"{title}; {run.victim}, seed {run.seed}"


def _free(stem: str, taken: set[str]) -> str:
    """The first of STEM.svg, STEM-2.svg, ... that no other drawing has."""
    number, name = 1, f"{stem}.svg"
    while name in taken:
        number += 1
        name = f"{stem}-{number}.svg"
    taken.add(name)
    return name
