"""The page of a reproduced result: its table beside the paper's numbers, its figures, and what stood for the data."""

from collections.abc import Iterator, Sequence
from statistics import fmean, stdev

from infra.errors import one_line
from schemas.experiments import DatasetName, DataUsed, Outcome, ResultRecord
from tasks.report.display import MISSING, listing
from tasks.report.paper_found import labelled

SMALL = (
    "Small scale: a subset of the pictures and small nets. These numbers show which of the paper's findings appear in "
    "small; none of them is to be compared with the paper's to the point."
)
# Classes of the datasets that the paper trained victims on.
_CLASSES: dict[DatasetName, int] = {
    "cifar10": 10,
    "cifar100": 100,
    "svhn": 10,
    "imagenet100": 100,
    "webface": 10_575,
    "celeba100": 100,
}
_UNITS = {
    "accuracy": "Accuracy on clean test pictures in percent.",
    "peak": "Highest clean test accuracy of any epoch in percent.",
    "auc": "AUC from 0 to 1, .5 is guessing.",
    "tar": "True acceptance rate from 0 to 1.",
    "backdoor": "Success of the trigger in percent.",
    "cost": "Time to make and write the noise, as recorded when it was made, in percent of a training run timed now.",
}
_CELLS = "Each cell: the paper's number | ours, mean ± standard deviation over seeds (difference)."
_WEAK = "†"


def markdown(record: ResultRecord) -> str:
    """The page of a result: what it shows, its table and figures, what the paper finds, and how it was made."""
    made = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    kinds = dict.fromkeys(one.measured for one in record.outcomes)
    units = " ".join(_UNITS[kind] for kind in kinds)
    blocks = [
        f"## {record.name}: {record.title}",
        *([SMALL] if record.scale == "small" else []),
        "\n".join(_table(record.outcomes)),
        *_weak(record.outcomes),
        *_figures(record),
        f"{units} {_CELLS} The paper: {record.finding}",
        *_data(record.data),
        f"`{record.command}`, {record.seconds / 60:.1f} minutes in this run; {record.device}, {made}.",
    ]
    return "\n\n".join(blocks) + "\n"


def text(one: Outcome) -> str:
    """One cell: the paper's number, ours, and the difference, such as 19.93 | 16.09 ± 0.84 (-3.84).

    A dagger marks noise whose fit did not converge.
    """
    digits = 4 if one.measured in {"auc", "tar"} else 2
    paper = "" if one.paper is None else f"{one.paper:.{digits}f} \\| "
    weak = f" {_WEAK}" if one.converged is False else ""
    if not one.values:
        return f"{paper}{MISSING} ({one.diverged} diverged){weak}"
    mean = fmean(one.values)
    spread = f" ± {stdev(one.values):.{digits}f}" if len(one.values) > 1 else ""
    difference = "" if one.paper is None else f" ({mean - one.paper:+.{digits}f})"
    lost = f", {one.diverged} diverged" if one.diverged else ""
    return f"{paper}{mean:.{digits}f}{spread}{difference}{lost}{weak}"


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    """The outcomes as a markdown table: rows and columns as in the paper."""
    columns = list(dict.fromkeys(one.column for one in outcomes))
    rows = list(dict.fromkeys(one.row for one in outcomes))
    cells = {(one.row, one.column): text(one) for one in outcomes}
    head = f"| | {' | '.join(columns)} |"
    lines = [f"| {row} | {' | '.join(cells.get((row, c), '') for c in columns)} |" for row in rows]
    return [head, "| :-- |" + " --: |" * len(columns), *lines]


def _weak(outcomes: Sequence[Outcome]) -> Iterator[str]:
    weak = [one for one in outcomes if one.converged is False]
    if weak:
        cells = "; ".join(f"{one.row}, {one.column}{_error(one)}" for one in weak)
        yield f"{_WEAK} The fit of the noise did not converge, so expect weak protection: {cells}."


def _error(one: Outcome) -> str:
    return "" if one.noise_error is None else f" (error {one.noise_error:.2f})"


def _figures(record: ResultRecord) -> Iterator[str]:
    for file in record.files:
        if file.endswith(".svg"):
            yield f"![{labelled(record.name, record.scale)}, {file.removesuffix('.svg')}]({file})"


def _data(used: Sequence[DataUsed]) -> Iterator[str]:
    if used:
        said = [f"Data: {'; '.join(map(_stands_for, used))}.", *filter(None, map(_chance, used))]
        yield " ".join(said)


def _stands_for(one: DataUsed) -> str:
    source = "" if one.source.lower() == one.name else f" is {one_line(one.source)}"
    return f"{one.name}{source}{_part(one)}"


def _part(one: DataUsed) -> str:
    """What of it was used, and for what."""
    if one.use == "pairs":
        return ", whose pairs are verified"
    if one.use == "noise":
        return f", which noise was made on ({one.classes:,} classes)"
    kept = "" if one.kept is None else f"{listing([one_line(name) for name in one.kept])} of "
    return f" ({kept}{one.classes:,} classes, {one.train:,} training and {one.test:,} test pictures)"


def _chance(one: DataUsed) -> str:
    papers = _CLASSES.get(one.name)
    if one.use != "victims" or papers is None or one.classes is None or papers == one.classes:
        return ""
    instead = f"{100 / one.classes:.3g} % instead of {100 / papers:.3g} %"
    return f"The numbers on {one.name} have another chance level than the paper's: {instead}."
