"""Write a report into its folder; report.json goes last and says that it is whole."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from infra.storage import Folder
from schemas.evaluate import ReportRecord, VictimRun
from schemas.report import ReportContext
from tasks.report.display import display_frame
from tasks.report.frame import confusion, curves, frame
from tasks.report.gallery import confusion_pictures, curve_pictures, grid_pictures
from tasks.report.html import render_html
from tasks.report.markdown import render_markdown
from tasks.report.view import view

MARKER = "report.json"


def write_report(
    folder: Folder,
    runs: Sequence[VictimRun],
    context: ReportContext,
    pictures: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> ReportRecord:
    """Write tables, figures, report.md and report.html into `folder`, and report.json last.

    `pictures` maps a caption to (original, protected), both uint8 [n, H, W, 3]; it may be empty. Raises DataError
    without runs or for pictures that don't match, before anything is written, and StorageError.
    """
    table = frame(runs)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    said = view(table, context, created)
    figures = {
        "curves": curve_pictures(runs),
        "confusion": list(confusion_pictures(runs)),
        "grids": list(grid_pictures(pictures)),
    }
    files = {
        "results.parquet": _parquet(table),
        "results.csv": display_frame(table).to_csv(index=False, lineterminator="\n").encode(),
        "curves.parquet": _parquet(curves(runs)),
        "confusion.parquet": _parquet(confusion(runs)),
        **{f"figures/{each.name}": each.data for group in figures.values() for each in group},
        "report.md": render_markdown(said, figures).encode(),
        "report.html": render_html(said, figures).encode(),
    }
    # An older report in the same folder must not vouch for a half-written new one.
    folder.delete(MARKER)
    for name, data in files.items():
        folder.write(name, data)
    url = folder.object_url("report.html")
    record = ReportRecord(report=url, rows=len(table), created=created, verdict=said.verdict[0])
    folder.save(MARKER, record)
    return record


def _parquet(table: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.to_parquet(stream, index=False, engine="pyarrow")
    return stream.getvalue()
