"""Accuracy by class: of the classes that a copy protects, and of the others. Of faces, it is identification.

Huang et al. 2021, figures 2, 4 and 5.
"""

from collections.abc import Collection
from dataclasses import dataclass

from infra.errors import DataError
from schemas.evaluate import VictimRun
from schemas.protect import ProtectedManifest

ADDED = " (added)"  # data.beside marks a class of the copy so, when the other dataset has one of the same name


@dataclass(frozen=True)
class Mean:
    """Accuracy in percent over some classes.

    `weighted` counts each of their test `pictures` alike, `macro` each class that has any.
    """

    weighted: float
    macro: float
    classes: int
    pictures: int


def by_class(run: VictimRun) -> dict[str, float]:
    """Accuracy in percent by class name, in the order of the classes; those without test pictures are left out."""
    return {name: 100 * right / count for name, (right, count) in _counts(run).items() if count}


def accuracy_on(run: VictimRun, classes: Collection[str]) -> float:
    """Accuracy in percent over all test pictures of some classes. Raises DataError when there is none."""
    found = mean_over(run, classes)
    if found is None:
        named = ", ".join(sorted(classes)[:10]) or "no class at all"
        raise DataError(f"there is no test picture of {named}", "give test pictures of these classes with --test")
    return found.weighted


def mean_over(run: VictimRun, classes: Collection[str]) -> Mean | None:
    """Accuracy over some classes; None when there is no test picture of them. Names that the run lacks don't count."""
    counts = [(right, count) for name, (right, count) in _counts(run).items() if name in classes and count]
    if not counts:
        return None
    pictures = sum(count for _, count in counts)
    weighted = 100 * sum(right for right, _ in counts) / pictures
    macro = 100 * sum(right / count for right, count in counts) / len(counts)
    return Mean(weighted, macro, len(counts), pictures)


def protected_classes(
    run: VictimRun, manifest: ProtectedManifest, beside: Collection[str] | None = None
) -> tuple[str, ...]:
    """The classes of a run that were to carry noise in a copy: those that its protection names, or all that it has.

    In a run beside another dataset the copy's classes are told from those of the same name. `beside` names the classes
    of the copy that were learnt there, as in the evaluation's configuration; None: all of them.
    """
    named = manifest.protection.classes or manifest.dataset.class_names
    own = [name for name in named if beside is None or name in beside]
    return own_classes(run, own)


def own_classes(run: VictimRun, names: Collection[str]) -> tuple[str, ...]:
    """The classes of a run that are a copy's `names`, in the run's order, under the names that they have there."""
    ours = {f"{name}{ADDED}" if f"{name}{ADDED}" in run.classes else name for name in names}
    return tuple(name for name in run.classes if name in ours)


def counts_of(run: VictimRun) -> tuple[tuple[int, int], ...]:
    """Right answers and test pictures by class, after the last epoch; of older records read off the confusion.

    Empty when the run left neither.
    """
    return run.per_class or _diagonal(run.confusion)


def peak_counts_of(run: VictimRun) -> tuple[tuple[int, int], ...]:
    """The same after the best epoch."""
    return run.peak_per_class or _diagonal(run.peak_confusion)


def _diagonal(confusion: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, int], ...]:
    return tuple((row[i], sum(row)) for i, row in enumerate(confusion))


def _counts(run: VictimRun) -> dict[str, tuple[int, int]]:
    """Right answers and test pictures by class name; a name that several classes share counts for all of them."""
    found: dict[str, tuple[int, int]] = {}
    for name, (right, count) in zip(run.classes, counts_of(run), strict=True):
        before = found.get(name, (0, 0))
        found[name] = (before[0] + right, before[1] + count)
    return found
