"""What a report says, as text: made once, then written as html and as markdown, so that both agree."""

from dataclasses import dataclass

import pandas as pd

from infra.errors import one_line
from schemas.report import ReportContext
from tasks.report.summary import summarise
from tasks.report.tables import Table, about_table, result_tables, runs_table, settings_table, stored_table
from tasks.report.truths import truths
from tasks.report.verdict import sentences


@dataclass(frozen=True)
class View:
    """All that a report says, apart from its figures."""

    title: str
    verdict: tuple[str, ...]
    results: tuple[Table, ...]
    stored: Table
    settings: Table
    about: Table
    truths: tuple[str, ...]
    notes: tuple[str, ...]
    runs: Table


def view(frame: pd.DataFrame, context: ReportContext, created: str) -> View:
    """The report on `frame`, written at `created` (ISO 8601)."""
    summary = summarise(frame)
    return View(
        title=one_line(context.title),
        verdict=tuple(sentences(summary, context)),
        results=tuple(result_tables(summary)),
        stored=stored_table(context),
        settings=settings_table(context),
        about=about_table(frame, context, created),
        truths=tuple(truths(context, frame)),
        notes=tuple(map(one_line, context.notes)),
        runs=runs_table(frame),
    )
