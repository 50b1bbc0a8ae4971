"""What a report says, as text: made once, then written as html and as markdown, so that both agree."""

from dataclasses import dataclass

from infra.errors import one_line
from schemas.report import ReportContext
from tasks.report.context_tables import (
    about_table,
    covered_table,
    quarantine_table,
    runs_table,
    settings_table,
    stored_table,
)
from tasks.report.detail_tables import class_tables, face_table, part_tables, trigger_table
from tasks.report.findings import Findings
from tasks.report.tables import Table, result_tables
from tasks.report.truths import truths
from tasks.report.verdict import headlines, sentences

NOTE = (
    "Mean ± sample standard deviation over seeds. Clean ceiling: the same victim under the same countermeasure, "
    "trained on clean pictures. Kept: the share of the way from the ceiling down to chance. Judgement: holds from "
    "80 %, partly from 50 %, else undone. Peak: the best epoch, what early stopping can reach. Worst case: the "
    "countermeasure under which the copy teaches most. Restored: by a countermeasure that lies above plain training by "
    "more than the spread over seeds, and either by a fifth of the way from chance to the ceiling or as far as to be "
    "judged lower."
)


@dataclass(frozen=True)
class Section:
    """A part that only some reports have; `key` names its figures. It is shown where it has tables or figures."""

    key: str
    title: str
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class View:
    """All that a report says, apart from its figures. `headlines`: the sentences of the verdict that judge a copy."""

    title: str
    verdict: tuple[str, ...]
    headlines: frozenset[str]
    results: tuple[Table, ...]
    note: str
    details: tuple[Section, ...]
    stored: Table
    covered: Table
    quarantined: Table
    settings: Table
    about: Table
    truths: tuple[str, ...]
    notes: tuple[str, ...]
    runs: Table


def view(found: Findings, context: ReportContext, created: str) -> View:
    """The report on what was found, written at `created` (ISO 8601)."""
    return View(
        title=one_line(context.title),
        verdict=tuple(sentences(found, context)),
        headlines=frozenset(headlines(found, context)),
        results=tuple(result_tables(found)),
        note=NOTE,
        details=(
            Section("suite", "Every countermeasure"),
            Section("parts", "Parts of a copy", tuple(part_tables(found))),
            Section("classes", "Protected classes and the others", tuple(class_tables(found))),
            Section("faces", "Face verification", tuple(face_table(found))),
            Section("backdoor", "The noise as a trigger", tuple(trigger_table(found))),
        ),
        stored=stored_table(context),
        covered=covered_table(context),
        quarantined=quarantine_table(context),
        settings=settings_table(context),
        about=about_table(found.frame, context, created),
        truths=tuple(truths(context, found.frame)),
        notes=tuple(map(one_line, context.notes)),
        runs=runs_table(found.frame),
    )
