"""What the suite of countermeasures leaves out: a worst case over a few of them is no worst case."""

from collections.abc import Iterator

import pandas as pd

from schemas.countermeasures import TIER_A, AdversarialTraining
from tasks.report.display import PLAIN, copy_name, listing, records
from tasks.report.frame import COPY

_ALL = len(TIER_A)
_NAMES = {PLAIN: "plain training"}
_ADVERSARIAL = AdversarialTraining().kind


def untried(judged: pd.DataFrame) -> Iterator[str]:
    """A sentence each on copies that met no countermeasure, on what of tier A others lack, and on adversarial training.

    `judged` are the summary's rows on protected copies.
    """
    met = {copy_name(records(cells)[0]): set(cells["countermeasure"]) for _, cells in judged.groupby(COPY, sort=False)}
    bare = [name for name, tried in met.items() if not tried - {PLAIN}]
    if bare:
        which = "" if len(bare) == len(met) else f" on {listing(bare)}"
        proves = "the worst case is not known, and the plain number alone proves little"
        yield f"No countermeasure was tried{which}: {proves}."
    lacks: dict[tuple[str, ...], list[str]] = {}
    for name, tried in met.items():
        missing = tuple(_NAMES.get(each.name, each.name) for each in TIER_A if each.name not in tried)
        if missing and name not in bare:
            lacks.setdefault(missing, []).append(name)
    for missing, names in lacks.items():
        which = "" if len(names) == len(met) else f" on {listing(names)}"
        yield f"Tier A is incomplete{which}: {listing(list(missing), limit=_ALL)} {_was(missing)} not run."
    unadversarial = [name for name, tried in met.items() if name not in bare and not any(map(_is_adversarial, tried))]
    if unadversarial:
        which = "" if len(unadversarial) == len(met) else f" on {listing(unadversarial)}"
        yield f"Adversarial training was not tried{which}: most published noises give way to it."


def _is_adversarial(name: str) -> bool:
    return name.startswith(_ADVERSARIAL)


def _was(names: tuple[str, ...]) -> str:
    return "was" if len(names) == 1 else "were"
