"""What the suite of countermeasures leaves out: a worst case over a few of them is no worst case."""

from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from schemas.countermeasures import TIER_A, AdversarialTraining
from tasks.report.display import PLAIN, copy_name, listing, records
from tasks.report.frame import COPY

_ALL = len(TIER_A)
_NAMES = {PLAIN: "plain training"}
_ADVERSARIAL = AdversarialTraining().kind


def untried(judged: pd.DataFrame) -> Iterator[str]:
    """A sentence each on copies that met no countermeasure, on what of tier A others lack, and on adversarial training.

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
    unadversarial = [name for name in rest if not any(map(_is_adversarial, met[name]))]
    begun = {name: any(map(_is_adversarial, lost[name])) for name in unadversarial}
    for verb, names in _by(unadversarial, lambda name: "came to no end" if begun[name] else "was not tried"):
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


def _is_adversarial(name: str) -> bool:
    return name.startswith(_ADVERSARIAL)


def _was(names: list[str]) -> str:
    return "was" if len(names) == 1 else "were"
