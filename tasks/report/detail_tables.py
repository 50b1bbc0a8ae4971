"""Tables on what only some reports have: parts of a copy, classes, faces, triggers."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from infra.errors import one_line
from tasks.report.classes import same_copy
from tasks.report.display import CLEAN, MISSING, PLAIN, copy_name, fine, records, spread, whole_name
from tasks.report.findings import Findings
from tasks.report.frame import COPY
from tasks.report.partial import class_word
from tasks.report.tables import Table

MOST_DRAWN, MOST_LISTED = 30, 50
_WHOLE = [name for name in COPY if name != "part"]
_CELL = ["victim", "countermeasure"]
_ORDER = ("all", "clean", "protected")


def part_tables(found: Findings) -> Iterator[Table]:
    """A table a copy of which a part was trained on alone: all of it, its clean part, its protected part."""
    protected = found.summary[found.summary["method"] != CLEAN]
    for _, cells in protected.groupby(_WHOLE, sort=False):
        if set(cells["part"]) == {"all"}:
            continue
        rows = [_parts(part, several) for part, several in cells.groupby(_CELL, sort=False)]
        head = ("Victim", "Countermeasure", "Clean ceiling, %", "All of it, %", "Clean part, %", "Protected part, %")
        copy = records(cells)[0]
        caption = f"{one_line(copy['dataset'])}, {whole_name(copy)}: trained on all of it, and on each part alone"
        yield Table(caption, head, tuple(rows), frozenset(range(2, len(head))))


def class_tables(found: Findings) -> Iterator[Table]:
    """For each copy that protects some classes: those and the others; and many classes one by one, plainly trained."""
    one, several = class_word(found)
    head = ("Victim", "Countermeasure", f"Protected {several}, %", "Ceiling, %", f"Other {several}, %", "Ceiling, %")
    for _, others in found.others.groupby(COPY, sort=False):
        name = f"{one_line(others['dataset'].iloc[0])}, {copy_name(records(others)[0])}"
        judged = records(found.judged.loc[others.index])
        pairs = zip(judged, records(others), strict=True)
        rows = tuple((*_names(ours), *_beside(ours), *_beside(rest)) for ours, rest in pairs)
        caption = f"{name}: accuracy on protected and on other {several}, each beside the clean ceiling's"
        yield Table(caption, head, rows, frozenset(range(2, len(head))))
        cells = same_copy(found.classes, records(others)[0])
        if cells["class"].nunique() > MOST_DRAWN:
            yield from _one_by_one(cells, name, one, several)


def face_table(found: Findings) -> Iterator[Table]:
    """Verification by each victim's embeddings, beside the clean ceiling's."""
    head = ("Trained on", "Victim", "Countermeasure", "AUC", "Clean ceiling", "TAR", "Clean ceiling", "Seeds")
    rows = [
        (
            copy_name(row),
            *_names(row),
            fine(row["mean"], row["std"]),
            fine(row["ceiling"], row["ceiling_std"]),
            fine(row["tar"], row["tar_std"]),
            fine(row["ceiling_tar"], row["ceiling_tar_std"]),
            f"{row['seeds']}",
        )
        for row in _shown(found.faces)
    ]
    if rows:
        far = found.faces["far"].iloc[0]
        caption = (
            f"Face verification by cosine similarity of embeddings; TAR where {100 * far:g} % are falsely accepted"
        )
        yield Table(caption, head, tuple(rows), frozenset(range(3, len(head))))


def trigger_table(found: Findings) -> Iterator[Table]:
    """Success of each trigger on each victim, beside that on a victim of clean data."""
    head = (
        "Trained on",
        "Trigger",
        "Victim",
        "Countermeasure",
        "Success, %",
        "On a clean victim, %",
        "Seeds",
    )
    rows = [
        (
            copy_name(row),
            "its own" if row["own"] else one_line(row["trigger"]),
            *_names(row),
            spread(row["mean"], row["std"]),
            spread(row["ceiling"], row["ceiling_std"]),
            f"{row['seeds']}",
        )
        for row in _shown(found.triggers)
    ]
    if rows:
        caption = "Clean test pictures under the noise of another class that a victim takes for that class"
        yield Table(caption, head, tuple(rows), frozenset((4, 5, 6)))


def _parts(part: tuple[Any, ...], cells: pd.DataFrame) -> tuple[str, ...]:
    by_part = {row["part"]: row for row in records(cells)}
    any_row = next(iter(by_part.values()))
    numbers = [spread(row["mean"], row["std"]) if (row := by_part.get(name)) else MISSING for name in _ORDER]
    return (*(one_line(str(name)) for name in part), spread(any_row["ceiling"], any_row["ceiling_std"]), *numbers)


def _one_by_one(cells: pd.DataFrame, name: str, one: str, several: str) -> Iterator[Table]:
    plain = cells[cells["countermeasure"] == PLAIN]
    first = plain.sort_values("protected", ascending=False, kind="stable").groupby("victim", sort=False)
    for victim, classes in first:
        shown = records(classes.head(MOST_LISTED))
        rows = tuple((one_line(row["class"]), "yes" if row["protected"] else "no", *_beside(row)) for row in shown)
        left = f"; the first {len(rows)} of {len(classes)}" if len(rows) < len(classes) else ""
        caption = (
            f"{name}, {one_line(str(victim))} under plain training: accuracy on single {several}, protected ones first"
        )
        head = (one.capitalize(), "Protected", "Accuracy, %", "Clean ceiling, %")
        yield Table(f"{caption}{left}", head, rows, frozenset((2, 3)))


def _shown(means: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows on copies; those of the clean baseline, which stand beside them, only when alone."""
    rows = records(means)
    return [row for row in rows if row["method"] != CLEAN] or rows


def _names(row: Mapping[str, Any]) -> tuple[str, str]:
    return one_line(row["victim"]), one_line(row["countermeasure"])


def _beside(row: Mapping[str, Any]) -> tuple[str, str]:
    return spread(row["mean"], row["std"]), spread(row["ceiling"], row["ceiling_std"])
