"""What the suite of countermeasures leaves out: a worst case over a few of them is no worst case."""

import re
from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from schemas.countermeasures import TIER_A, AdversarialTraining
from tasks.report.display import PLAIN, copy_name, listing, records
from tasks.report.frame import COPY

_ALL = len(TIER_A)
_NAMES = {PLAIN: "plain training"}
_BOUND = re.compile(rf"{AdversarialTraining().kind}-([0-9.]+)(-by-.*)?")
_USUAL = 8.0  # 1/255, of published noises and of adversarial training against them


def untried(judged: pd.DataFrame) -> Iterator[str]:
    """A sentence each on copies that met no countermeasure, on what of tier A others lack, and on adversarial training.

    Adversarial training counts from the noise's own epsilon up, or from 8/255.
    `judged` are the summary's rows on protected copies. A countermeasure under which all runs diverged was not tried,
    as no number stands for it; then the sentence says that it came to no end.
    """
    copies = {copy_name(records(cells)[0]): cells for _, cells in judged.groupby(COPY, sort=False)}
    met = {name: set(cells.loc[cells["mean"].notna(), "countermeasure"]) for name, cells in copies.items()}
    lost = {name: set(cells["countermeasure"]) - met[name] for name, cells in copies.items()}
    bare = [name for name, tried in met.items() if not tried - {PLAIN}]
    for verb, names in _by(bare, lambda name: "came to an end" if lost[name] - {PLAIN} else "was tried"):
        proves = "the worst case is not known, and the plain number alone proves little"
        yield f"No countermeasure {verb}{_which(names, met)}: {proves}."
    rest = [name for name in met if name not in bare]
    for lacks, names in _by(rest, lambda name: _lacks(met[name], lost[name])):
        if lacks:
            yield f"Tier A is incomplete{_which(names, met)}: {lacks}."
    bounds = {name: min(_USUAL, float(records(cells)[0]["epsilon"])) for name, cells in copies.items()}
    unadversarial = [name for name in rest if _strongest(met[name]) < bounds[name]]
    how = {name: _tried(_strongest(met[name]), _strongest(lost[name]) >= bounds[name]) for name in unadversarial}
    for verb, names in _by(unadversarial, lambda name: how[name]):
        yield f"Adversarial training {verb}{_which(names, met)}: most published noises give way to it."


def _lacks(met: set[str], lost: set[str]) -> str:
    missing = [each.name for each in TIER_A if each.name not in met]
    absent, begun = [name for name in missing if name not in lost], [name for name in missing if name in lost]
    said = [f"{_listed(absent)} {_was(absent)} not run"] if absent else []
    return "; ".join([*said, f"{_listed(begun)} came to no end"] if begun else said)


def _by(names: list[str], key: Callable[[str], str]) -> Iterator[tuple[str, list[str]]]:
    """The names of which the same is to be said, together."""
    for said in dict.fromkeys(map(key, names)):
        yield said, [name for name in names if key(name) == said]


def _which(names: list[str], met: Mapping[str, object]) -> str:
    return "" if len(names) == len(met) else f" on {listing(names)}"


def _listed(names: list[str]) -> str:
    return listing([_NAMES.get(name, name) for name in names], limit=_ALL)


def _strongest(names: set[str]) -> float:
    """The largest bound of adversarial training among countermeasures, in 1/255; 0 where there is none."""
    bounds = (_BOUND.fullmatch(name) for name in names)
    return max((float(found[1]) for found in bounds if found), default=0.0)


def _tried(strongest: float, begun: bool) -> str:
    if begun:
        return "came to no end"
    return f"was tried at {strongest:g}/255 alone, less than the noise" if strongest else "was not tried"


def _was(names: list[str]) -> str:
    return "was" if len(names) == 1 else "were"
