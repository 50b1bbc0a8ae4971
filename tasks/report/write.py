"""Write a report into its folder; report.json goes last and says that it is whole."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from infra.errors import DataError
from infra.storage import Folder
from schemas.evaluate import ReportRecord, VictimRun
from schemas.report import ReportContext, ShownPicture, StoredContext
from tasks.report.classes import Covered
from tasks.report.detail_gallery import class_pictures, face_pictures, suite_pictures, trigger_pictures
from tasks.report.display import spreadsheet_frame
from tasks.report.findings import Findings, findings
from tasks.report.frame import curves
from tasks.report.gallery import Picture, confusion_pictures, curve_pictures, grid_pictures
from tasks.report.html import render_html
from tasks.report.markdown import render_markdown
from tasks.report.read import CONTEXT, MARKER, read_runs
from tasks.report.tidy import backdoor, confusion, per_class, roc, verification
from tasks.report.verdict import judged
from tasks.report.view import view

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
    found, grids = findings(runs, covered), list(grid_pictures(pictures))
    around = StoredContext(
        context=context,
        covered={name: tuple(sorted(classes)) for name, classes in covered.items()},
        classes={run.dataset: run.classes for run in runs},
        grids=tuple(ShownPicture(name=p.name, caption=p.caption, alt=p.alt, width=p.width) for p in grids),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    files, record = _drawn(folder, runs, found, around, grids)
    # An older report in the same folder must not vouch for a half-written new one.
    folder.delete(MARKER)
    for name, data in {**_tables(runs, found, covered), **files}.items():
        folder.write(name, data)
    folder.save(CONTEXT, around)
    folder.save(MARKER, record)
    return record


def redraw(folder: Folder) -> ReportRecord:
    """Draw a report anew from the tables and the context.json in its folder, which stay as they are.

    Raises DataError when they are damaged or no report's, and StorageError.
    """
    around = folder.load(CONTEXT, StoredContext)
    if around is None:
        problem = f"{folder.url} has no {CONTEXT}, so what stands around its numbers is not known"
        raise DataError(problem, "evaluate again: what was trained is taken from the workspace")
    runs = read_runs(folder, around.classes)
    found = findings(runs, {name: frozenset(classes) for name, classes in around.covered.items()})
    grids = [Picture(p.name, folder.read(f"figures/{p.name}"), p.caption, p.alt, p.width) for p in around.grids]
    files, record = _drawn(folder, runs, found, around, grids)
    for name, data in files.items():
        folder.write(name, data)
    folder.save(MARKER, record)  # the one that was there has stayed true: the tables are the same
    return record


def _drawn(
    folder: Folder, runs: Sequence[VictimRun], found: Findings, around: StoredContext, grids: list[Picture]
) -> tuple[dict[str, bytes], ReportRecord]:
    """All that is drawn from the tables, by file name, and what report.json says of it."""
    said = view(found, around.context, around.created)
    figures = {**_figures(runs, found), "grids": grids}
    files = {
        **{f"figures/{each.name}": each.data for group in figures.values() for each in group},
        "results.csv": spreadsheet_frame(found.frame).to_csv(index=False, lineterminator="\n").encode(),
        "report.md": render_markdown(said, figures).encode(),
        "report.html": render_html(said, figures).encode(),
    }
    url = folder.object_url("report.html")
    return files, ReportRecord(
        report=url,
        rows=len(found.frame),
        created=around.created,
        verdict=said.verdict[0],
        title=said.title,
        judged=tuple(judged(found)),
    )


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
    return {f"{name}.parquet": _parquet(table) for name, table in tables.items()}


def _figures(runs: Sequence[VictimRun], found: Findings) -> dict[str, list[Picture]]:
    return {
        "suite": list(suite_pictures(found)),
        "parts": [],
        "classes": list(class_pictures(found)),
        "faces": list(face_pictures(runs, found)),
        "backdoor": list(trigger_pictures(found)),
        "curves": curve_pictures(runs),
        "confusion": list(confusion_pictures(runs)),
    }


def _parquet(table: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.to_parquet(stream, index=False, engine="pyarrow")
    return stream.getvalue()
