"""The verdict: a few plain sentences that follow from the numbers, and say what the numbers can't."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from infra.errors import one_line
from schemas.evaluate import Judged
from schemas.report import ReportContext
from tasks.report.caveats import caveats, weak_fits
from tasks.report.display import capital, copy_name, judge, listing, records, whole_name
from tasks.report.findings import Findings
from tasks.report.frame import COPY
from tasks.report.partial import called, class_word, on_classes, on_parts
from tasks.report.probe_said import on_faces, on_triggers
from tasks.report.restored import restored
from tasks.report.summary import worst_case
from tasks.report.worst_said import border, early_stopping, first_sentence, plain_number


def verdict(found: Findings, context: ReportContext) -> str:
    """The report's judgement in plain language; see `sentences`."""
    return " ".join(sentences(found, context))


def sentences(found: Findings, context: ReportContext) -> list[str]:
    """What follows from the numbers for each protected copy, then every other caveat.

    Of a copy: its worst case and plain number beside the clean ceiling, all that restores accuracy, and what its parts,
    classes, faces and triggers show. A fit that did not converge is told right after the first sentence. The victim
    named is the one on which the copy protects least. Judged by the share of protection kept in the worst case: from
    0.8 it holds, from 0.5 partly, below it is undone. No difference within the spread over seeds is claimed.
    """
    said = [sentence for about in _about_copies(found, context) for sentence in about] or [_nothing(found)]
    return list(dict.fromkeys([*said, *caveats(found, context)]))


def headlines(found: Findings, context: ReportContext) -> list[str]:
    """The sentences that judge a copy, one a copy: the first that is said of it."""
    return [about[0] for about in _about_copies(found, context)] or [_nothing(found)]


def judged(found: Findings) -> Iterator[Judged]:
    """The worst case of each copy, as the first sentence on it tells; nothing of a copy without a number."""
    for _, cells in found.judged.groupby(COPY, sort=False):
        worst = worst_case(cells)
        if len(worst):
            row = _hardest(worst)
            yield Judged(
                dataset=row["dataset"],
                trained_on=copy_name(row),
                victim=row["victim"],
                countermeasure=row["countermeasure"],
                reached=row["mean"],
                ceiling=_known(row["ceiling"]),
                kept=_known(row["kept"]),
                judgement=judge(row["kept"]),
            )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _about_copies(found: Findings, context: ReportContext) -> Iterator[list[str]]:
    warnings = weak_fits(context)
    several = found.summary["dataset"].nunique() > 1
    for _, cells in found.judged.groupby(COPY, sort=False):
        worst = worst_case(cells)
        first, *more = _about_copy(found, worst, cells) if len(worst) else [_no_result(cells)]
        if several:
            first = f"{one_line(cells['dataset'].iloc[0])}: {first}"
        warned = warnings.get(whole_name(records(cells)[0]))
        yield [first, *([warned] if warned else []), *more]


def _about_copy(found: Findings, worst: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    hardest, copy = _hardest(worst), records(cells)[0]
    victim = one_line(hardest["victim"]) + (f" (the hardest of {len(worst)} victims)" if len(worst) > 1 else "")
    chosen = found.some.get(whole_name(copy))
    pictures = "clean test pictures" + (f" of {called(chosen, class_word(found))}" if chosen else "")
    about = [
        first_sentence(hardest, cells, capital(copy_name(copy)), victim, pictures),
        border(hardest),
        plain_number(hardest),
        *restored(cells),
        early_stopping(hardest, cells),
        on_parts(found, copy, hardest["victim"]),
        on_classes(found, copy, hardest["victim"]),
        on_faces(found.faces, copy, hardest["victim"]),
        on_triggers(found.triggers, copy, hardest["victim"]),
    ]
    return list(filter(None, about))


def _hardest(worst: pd.DataFrame) -> dict[str, Any]:
    """The victim that keeps the least protection; without any ceiling, the one with the highest accuracy."""
    known = worst[worst["kept"].notna()]
    if len(known):
        return records(known)[int(known["kept"].to_numpy().argmin())]
    return records(worst)[int(worst["mean"].to_numpy().argmax())]


def _no_result(cells: pd.DataFrame) -> str:
    victims = listing([one_line(name) for name in cells["victim"].unique()])
    return f"{capital(copy_name(records(cells)[0]))} can't be judged: no run of {victims} on it came to an end."


def _nothing(found: Findings) -> str:
    parted = (found.summary["part"] != "all").any()
    only = "parts of a copy that by themselves show no protection" if parted else "clean data"
    return f"Nothing protected was evaluated: only {only} were trained on, so nothing was shown."
