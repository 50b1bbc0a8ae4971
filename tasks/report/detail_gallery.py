"""The figures that only some reports have: many countermeasures, classes, faces, triggers."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from infra.errors import one_line
from schemas.evaluate import VictimRun
from tasks.report.charts.dots import class_dots, suite_dots
from tasks.report.charts.probes import roc_curves, trigger_lines
from tasks.report.classes import same_copy
from tasks.report.detail_tables import MOST_DRAWN
from tasks.report.display import PLAIN, copy_name, records
from tasks.report.findings import Findings
from tasks.report.frame import COPY
from tasks.report.gallery import Picture, drawn, file_name
from tasks.report.partial import class_word


def suite_pictures(found: Findings) -> Iterator[Picture]:
    """Accuracy under every countermeasure, a figure a copy and victim, where there are enough of them."""
    groups = list(found.judged.groupby([*COPY, "victim"], sort=False))
    charts = [(records(cells)[0], chart) for _, cells in groups if (chart := suite_dots(cells))]
    for number, (row, chart) in enumerate(charts):
        of = _of(row)
        on = " on its protected classes" if copy_name(row) in found.some else ""
        caption = f"{of}: accuracy{on} under each countermeasure, mean over seeds with one standard deviation."
        alt = f"Dot plot of {of} under each countermeasure; the numbers are in the tables and in results.parquet."
        name = file_name("countermeasures", len(charts), number, f"{copy_name(row)} {row['victim']}")
        yield drawn(name, chart, caption, alt)


def class_pictures(found: Findings) -> Iterator[Picture]:
    """Accuracy by class under plain training, for copies that protect some of at most MOST_DRAWN classes."""
    plain = found.classes[found.classes["countermeasure"] == PLAIN]
    copies = records(found.others[COPY].drop_duplicates())
    victims = [group for copy in copies for _, group in same_copy(plain, copy).groupby("victim", sort=False)]
    groups = [group for group in victims if group["class"].nunique() <= MOST_DRAWN]
    one, several = class_word(found)
    charts = [(records(group)[0], chart) for group in groups if (chart := class_dots(group, one))]
    for number, (row, chart) in enumerate(charts):
        of = _of(row)
        caption = f"{of}, plain training: accuracy on each {one}, mean over seeds with one standard deviation."
        alt = f"Dot plot of the accuracy of {of} on single {several}; the numbers are in per_class.parquet."
        name = file_name("classes", len(charts), number, f"{copy_name(row)} {row['victim']}")
        yield drawn(name, chart, caption, alt)


def face_pictures(runs: Sequence[VictimRun], found: Findings) -> Iterator[Picture]:
    """ROC curves under plain training, or under the only kind that was measured."""
    kind = _kind(found.faces)
    if kind is not None and (chart := roc_curves(runs, kind)):
        caption = f"Verification of faces under {_called(kind)}: acceptance of pairs of one person and of two."
        alt = "ROC curves of face verification; the numbers are in roc.parquet."
        yield drawn("roc", chart, caption, alt)


def trigger_pictures(found: Findings) -> Iterator[Picture]:
    """Success of triggers by the share that is protected."""
    kind = _kind(found.triggers)
    if kind is not None and (chart := trigger_lines(found.triggers, kind)):
        caption = (
            f"How often a copy's noise on clean test pictures steers a victim under {_called(kind)}, by the share of "
            "its samples that carry noise; at 0 %, victims of clean data."
        )
        alt = "Line chart of the success of triggers by protected share; the numbers are in backdoor.parquet."
        yield drawn("backdoor", chart, caption, alt)


def _kind(means: pd.DataFrame) -> str | None:
    kinds = list(means["countermeasure"])
    return PLAIN if PLAIN in kinds else next(iter(kinds), None)


def _called(kind: str) -> str:
    return "plain training" if kind == PLAIN else one_line(kind)


def _of(row: dict[str, Any]) -> str:
    return one_line(f"{row['victim']} trained on {copy_name(row)} of {row['dataset']}")
