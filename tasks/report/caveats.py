"""What weakens the numbers of a report, a sentence each: seeds, gaps, missing baselines, fits that fell short."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from infra.errors import one_line
from schemas.report import ProtectedSet, ReportContext
from tasks.report.display import CLEAN, accuracy, copy_name, listing, records, whole_name
from tasks.report.findings import Findings
from tasks.report.recipes import unfit_recipes
from tasks.report.suite import untried
from tasks.report.summary import finished, is_protected

LITTLE_ROOM = 10.0
_UNEVEN = 5.0  # points by which always giving the most frequent answer may lie above chance


def caveats(found: Findings, context: ReportContext) -> list[str]:
    """Every caveat that applies, in the order in which a reader should hear them."""
    summary = found.summary
    return [
        *weak_fits(context).values(),
        *_stored(context),
        *_seeds(summary),
        *_baseline(found.judged),
        *_uneven(found),
        *_best_epoch(found),
        *untried(found.judged),
        *_random(found.judged),
        *unfit_recipes(context, int(found.frame["classes"].max()), faces=len(found.faces) > 0),
        *_diverged(found),
        *_gaps(summary, context),
    ]


def weak_fits(context: ReportContext) -> dict[str, str]:
    """A warning for each copy whose fit did not converge, by the copy's name."""
    return {_copy(copy): _weak_fit(copy) for copy in context.protected if copy.converged is False}


def _weak_fit(copy: ProtectedSet) -> str:
    error = "" if copy.noise_error is None else f" (error {copy.noise_error:.2f})"
    weak = "expect weak protection, and take its numbers for less than the method can do"
    return f"Warning: the fit of {_copy(copy)} did not converge{error}: {weak}."


def _seeds(summary: pd.DataFrame) -> Iterator[str]:
    counts = summary.loc[summary["seeds"] > 0, "seeds"]
    if counts.empty or counts.min() > 1:
        return
    which = "Only one seed was run" if counts.max() == 1 else "Some numbers come from one seed"
    yield f"{which}: one run proves little; use at least 3."


def _baseline(protected: pd.DataFrame) -> Iterator[str]:
    if protected.empty:
        return
    bare = protected[protected["ceiling"].isna()]
    if len(bare) == len(protected):
        yield "There is no clean baseline, so how much protection is kept is not known."
    elif len(bare):
        yield f"There is no clean baseline for {_cells(bare)}."
    room = protected["ceiling"] - protected["chance"]
    if (room < LITTLE_ROOM).any():
        low = records(protected)[int(room.fillna(np.inf).to_numpy().argmin())]
        yield (
            f"The clean baseline itself learned little ({accuracy(low['ceiling'])} % for {_cell(low)}, "
            f"{accuracy(low['chance'])} % by chance), so the share of protection kept means little there."
        )


def _uneven(found: Findings) -> Iterator[str]:
    chance = found.summary["chance"].max()
    if found.frequent is None or not found.frequent[1] > chance + _UNEVEN:
        return
    name, part = found.frequent
    yield (
        f"The classes of the test pictures differ in size: always answering {one_line(name)} is right in "
        f"{accuracy(part)} %, while chance is {accuracy(chance)} %, so numbers near there are guesses as well, and the "
        "share of protection kept reads too low."
    )


def _best_epoch(found: Findings) -> Iterator[str]:
    if found.some:
        yield (
            "Peaks, and early stopping, are of the epoch that is best over all classes: the protected classes alone "
            "may have had a better one."
        )


def _stored(context: ReportContext) -> Iterator[str]:
    for copy in context.protected:
        name = _copy(copy)
        if copy.changed == 0:
            yield f"No stored picture of {name} differs from its original: nothing is protected there."
        if copy.norm == "linf" and copy.max_abs_change > copy.epsilon:
            yield f"{name} exceeds its budget as stored: values change by up to {copy.max_abs_change}/255."
        if copy.norm == "l2" and copy.max_l2 > copy.epsilon:
            yield f"{name} exceeds its budget as stored: pictures change by an L2 norm of up to {copy.max_l2:.1f}/255."


def _random(protected: pd.DataFrame) -> Iterator[str]:
    if (protected["method"] == "random").any():
        yield "Random noise is a baseline to compare with, not a protection."


def _diverged(found: Findings) -> Iterator[str]:
    # Early stopping tells another tale of a plain run, not of a second one.
    lost, summary = found.frame.drop(finished(found.frame).index)["inputs"].nunique(), found.summary
    if lost:
        runs = "1 run" if lost == 1 else f"{lost} runs"
        cells = _cells(summary[summary["diverged"] > 0], of_copy=True)
        yield f"{runs} diverged and {'is' if lost == 1 else 'are'} left out of the means: {cells}."


def _gaps(summary: pd.DataFrame, context: ReportContext) -> Iterator[str]:
    """Cells of copy x victim x countermeasure that no run filled, seeds that are missing, copies not trained on."""
    filled = summary[summary["seeds"] > 0]
    if len(filled) and filled["seeds"].nunique() > 1:
        yield f"Not every number has the same seeds: from {filled['seeds'].min()} to {filled['seeds'].max()} of them."
    there = {(_copy(row), row["dataset"], row["victim"], row["countermeasure"]) for row in records(summary)}
    copies = {(_copy(row), row["dataset"]): None for row in records(summary[summary["method"] != CLEAN])}
    wanted = summary[["dataset", "victim", "countermeasure"]].drop_duplicates()
    absent = [
        one_line(f"{copy} with {victim} under {countermeasure}")
        for copy, dataset in copies
        for at, victim, countermeasure in wanted.itertuples(index=False)
        if at == dataset and (copy, dataset, victim, countermeasure) not in there
    ]
    if absent:
        yield f"Not run: {listing(absent)}."
    trained_on = {whole_name(row) for row in records(summary[is_protected(summary)])}
    untouched = [name for copy in context.protected if (name := _copy(copy)) not in trained_on]
    if untouched:
        yield f"No victim was trained on {listing(untouched)}."


def _copy(copy: ProtectedSet | dict[str, Any]) -> str:
    return copy_name(copy if isinstance(copy, dict) else copy.model_dump())


def _cell(row: dict[str, Any]) -> str:
    return one_line(f"{row['victim']} under {row['countermeasure']}")


def _cells(rows: pd.DataFrame, of_copy: bool = False) -> str:
    names = [f"{_copy(row)} with {_cell(row)}" if of_copy else _cell(row) for row in records(rows)]
    return listing(list(dict.fromkeys(names)))
