"""All that follows from the runs of a report, worked out once: what its words, tables and figures are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from schemas.evaluate import VictimRun
from tasks.report.classes import Covered, class_means, class_rows, focus, most_frequent, some_classes
from tasks.report.display import records, whole_name
from tasks.report.frame import COPY, frame
from tasks.report.probed import face_means, trigger_means
from tasks.report.summary import is_protected, summarise


@dataclass(frozen=True)
class Findings:
    """Tables over the seeds of a report, accuracies in percent.

    `summary` holds every cell over all classes. `judged` holds what protection is judged by, in the same columns: where
    only some classes were to be protected, accuracy on those; `others` then has the same copies' other classes, and
    `some` names the protected ones by the copy's whole_name. `classes`, `faces` and `triggers` are those of
    class_means, face_means and trigger_means. `frequent` is the most frequent class of the test pictures and its
    share in percent, None where no run left counts.
    """

    frame: pd.DataFrame
    summary: pd.DataFrame
    judged: pd.DataFrame
    others: pd.DataFrame
    some: Mapping[str, frozenset[str]]
    classes: pd.DataFrame
    faces: pd.DataFrame
    triggers: pd.DataFrame
    frequent: tuple[str, float] | None


def findings(runs: Sequence[VictimRun], covered: Covered) -> Findings:
    """What these runs show. `covered` names the copies of which some classes alone were to be protected, and which.

    Raises DataError when there are no runs.
    """
    table = frame(runs)
    summary = summarise(table)
    rows = class_rows(runs, covered)
    some = some_classes(runs, covered)
    judged: list[pd.DataFrame] = []
    others: list[pd.DataFrame] = []
    for _, cells in summary[is_protected(summary)].groupby(COPY, sort=False):
        copy = records(cells)[0]
        chosen = some.get(whole_name(copy))
        if chosen is None:
            judged.append(cells)
        elif copy["part"] == "all":  # the pictures of a few classes alone are another task, and teach nothing of theirs
            judged.append(_on(table, rows, chosen, cells))
            others.append(_on(table, rows, frozenset(rows["class"]) - chosen, cells))
    return Findings(
        frame=table,
        summary=summary,
        judged=_joined(judged, summary),
        others=_joined(others, summary),
        some=some,
        classes=class_means(table, rows),
        faces=face_means(runs),
        triggers=trigger_means(runs),
        frequent=most_frequent(rows),
    )


def _on(table: pd.DataFrame, rows: pd.DataFrame, classes: frozenset[str], cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of the summary that `cells` are, on test pictures of some classes alone."""
    return summarise(focus(table, rows, classes)).loc[cells.index]


def _joined(parts: list[pd.DataFrame], like: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(parts) if parts else like.iloc[:0]
