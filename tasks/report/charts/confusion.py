"""Confusion matrices."""

import altair as alt
import numpy as np
import pandas as pd

from infra.errors import one_line
from schemas.evaluate import VictimRun
from tasks.report.charts.look import INK, Chart

MOST_LABELS, MOST_COUNTS = 50, 12
_LABEL = 110  # pixels
_BLUE = "#3b82f6"


def confusion_matrix(run: VictimRun) -> Chart | None:
    """Test pictures by true class (row) and answer (column), each row coloured by its shares.

    Class names up to 50 classes, counts in the cells up to 12. None when the run has no such counts.
    """
    counts = np.array(run.confusion, dtype=np.int64)
    if counts.ndim != 2 or not counts.sum():
        return None
    classes, few, names = len(counts), len(counts) <= MOST_LABELS, list(map(one_line, run.classes))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    true, answer = counts.nonzero()  # an empty cell shows the page
    cells = pd.DataFrame(
        {
            "true": [names[at] for at in true],
            "answer": [names[at] for at in answer],
            "count": counts[true, answer],
            "share": (100 * shares[true, answer]).round(2),
        }
    )
    side = max(9, min(34, 420 // classes)) if few else max(1, 420 // classes)
    places = alt.Scale(domain=names, paddingInner=0.04 if few else 0)
    base = alt.Chart(cells).encode(
        x=alt.X("answer:N", scale=places, title="answer", axis=_axis(few, -90)),
        y=alt.Y("true:N", scale=places, title="true class", axis=_axis(few, 0)),
        tooltip=[
            alt.Tooltip("true:N", title="true class"),
            alt.Tooltip("answer:N"),
            alt.Tooltip("count:Q", title="pictures"),
            alt.Tooltip("share:Q", title="of the class, %", format=".2f"),
        ],
    )
    opacity = alt.Opacity("share:Q", legend=None, scale=alt.Scale(domain=[0, 100], range=[0.06, 0.9]))
    layers = [base.mark_rect(color=_BLUE).encode(opacity=opacity)]
    if classes <= MOST_COUNTS:
        layers.append(base.mark_text(fontSize=11, color=INK).encode(text="count:Q"))
    return alt.layer(*layers).properties(width=side * classes, height=side * classes)


def _axis(few: bool, angle: int) -> alt.Axis:
    return alt.Axis(
        ticks=False, domain=False, grid=False, labelAngle=angle, labels=few, labelOverlap=False, labelLimit=_LABEL
    )
