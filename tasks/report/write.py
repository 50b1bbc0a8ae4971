"""Write a report into its folder; report.json goes last and says that it is whole."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from infra.storage import Folder
from schemas.evaluate import ReportRecord, VictimRun
from schemas.report import ReportContext
from tasks.report.classes import Covered
from tasks.report.detail_gallery import class_pictures, face_pictures, suite_pictures, trigger_pictures
from tasks.report.display import spreadsheet_frame
from tasks.report.findings import Findings, findings
from tasks.report.frame import curves
from tasks.report.gallery import Picture, confusion_pictures, curve_pictures, grid_pictures
from tasks.report.html import render_html
from tasks.report.markdown import render_markdown
from tasks.report.tidy import backdoor, confusion, per_class, roc, verification
from tasks.report.view import view

MARKER = "report.json"
Pictures = Mapping[str, tuple[np.ndarray, np.ndarray]]


def write_report(
    folder: Folder,
    runs: Sequence[VictimRun],
    context: ReportContext,
    pictures: Pictures,
    covered: Covered,
) -> ReportRecord:
    """Write tables, figures, report.md and report.html into `folder`, and report.json last.

    `pictures` maps a caption to (original, protected), both uint8 [n, H, W, 3]; it may be empty. `covered` says by name
    which classes of a copy were to be protected: all of them, of copies that it doesn't name. Raises DataError without
    runs or for pictures that don't match, before anything is written, and StorageError.
    """
    found = findings(runs, covered)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    said = view(found, context, created)
    figures = _figures(runs, found, pictures)
    files = {
        **_tables(runs, found, covered),
        **{f"figures/{each.name}": each.data for group in figures.values() for each in group},
        "report.md": render_markdown(said, figures).encode(),
        "report.html": render_html(said, figures).encode(),
    }
    # An older report in the same folder must not vouch for a half-written new one.
    folder.delete(MARKER)
    for name, data in files.items():
        folder.write(name, data)
    url = folder.object_url("report.html")
    record = ReportRecord(report=url, rows=len(found.frame), created=created, verdict=said.verdict[0])
    folder.save(MARKER, record)
    return record


def _tables(runs: Sequence[VictimRun], found: Findings, covered: Covered) -> dict[str, bytes]:
    """The frame and what lies beside it; faces and triggers only where they were measured."""
    measured = {"verification": verification(runs), "roc": roc(runs), "backdoor": backdoor(runs)}
    tables = {
        "results": found.frame,
        "curves": curves(runs),
        "confusion": confusion(runs),
        "per_class": per_class(runs, covered),
        **{name: table for name, table in measured.items() if len(table)},
    }
    text = spreadsheet_frame(found.frame).to_csv(index=False, lineterminator="\n")
    return {**{f"{name}.parquet": _parquet(table) for name, table in tables.items()}, "results.csv": text.encode()}


def _figures(runs: Sequence[VictimRun], found: Findings, pictures: Pictures) -> dict[str, list[Picture]]:
    return {
        "suite": list(suite_pictures(found)),
        "parts": [],
        "classes": list(class_pictures(found)),
        "faces": list(face_pictures(runs, found)),
        "backdoor": list(trigger_pictures(found)),
        "curves": curve_pictures(runs),
        "confusion": list(confusion_pictures(runs)),
        "grids": list(grid_pictures(pictures)),
    }


def _parquet(table: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.to_parquet(stream, index=False, engine="pyarrow")
    return stream.getvalue()
