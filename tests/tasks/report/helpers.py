"""Runs and contexts of a report, made up with known numbers."""

from typing import Any

import numpy as np

from schemas.countermeasures import EarlyStopping
from schemas.evaluate import Backdoor, EpochPoint, Verification, VictimRun
from schemas.report import ProtectedSet, ReportContext

CLASSES = tuple("0123456789")


def run(
    method: str = "error-minimizing",
    countermeasure: str = "none",
    seed: int = 0,
    accuracy: float = 12.0,
    **changes: Any,
) -> VictimRun:
    """One run of `accuracy` percent; `changes` overrides any field of it."""
    clean = method == "none"
    classes = changes.get("classes", CLASSES)
    victim, fraction = changes.get("victim", "tiny"), 0.0 if clean else 1.0
    fields = {
        "inputs": f"{method}-{victim}-{countermeasure}-{seed}-{changes.get('fraction', fraction)}-"
        + "-".join(str(changes.get(name, "")) for name in ("dataset", "form", "variant", "part")),
        "dataset": "digits",
        "method": method,
        "form": "none" if clean else "sample-wise",
        "epsilon": 0 if clean else 8,
        "fraction": fraction,
        "victim": victim,
        "countermeasure": countermeasure,
        "seed": seed,
        "test_accuracy": accuracy,
        "peak_test_accuracy": accuracy,
        "train_accuracy": 99.123456,
        "epochs": 3,
        "seconds": 1.2345,
        "samples": 1000,
        "test_samples": 12 * len(classes),
        "classes": classes,
        "curve": tuple(
            EpochPoint(epoch=epoch, loss=1 / epoch, train_accuracy=50.0, test_accuracy=accuracy) for epoch in (1, 2, 3)
        ),
        "confusion": tuple(
            tuple(12 - len(classes) + 1 if a == b else 1 for b in range(len(classes)))
            if len(classes) < 12
            else tuple(12 * (a == b) for b in range(len(classes)))
            for a in range(len(classes))
        ),
        "device": "cpu",
        "precision": "fp32",
    }
    return VictimRun(**{**fields, **changes})


def seeds(method: str, countermeasure: str, *accuracies: float, **changes: Any) -> list[VictimRun]:
    """A run a seed."""
    return [run(method, countermeasure, seed, accuracy, **changes) for seed, accuracy in enumerate(accuracies)]


def by_class(
    method: str, countermeasure: str, rights: tuple[tuple[int, ...], ...], pictures: int = 100, **changes: Any
) -> list[VictimRun]:
    """A run a seed, with so many `rights` of `pictures` test pictures of each class, wrong answers being the next one.

    The classes are called a, b, c, ... unless `changes` names them.
    """
    names = changes.pop("classes", tuple("abcdefghijklmnopqrstuvwxyz"[: len(rights[0])]))
    runs = []
    for seed, counts in enumerate(rights):
        confusion = confused(counts, pictures)
        accuracy = 100 * sum(counts) / (pictures * len(counts))
        runs.append(run(method, countermeasure, seed, accuracy, classes=names, confusion=confusion, **changes))
    return runs


def confused(rights: tuple[int, ...], pictures: int = 100) -> tuple[tuple[int, ...], ...]:
    """Counts by true class and answer: so many right of each class, and the others taken for the next class."""
    counts = np.diag(rights) + np.roll(np.diag(pictures - np.array(rights)), 1, axis=1)
    return tuple(map(tuple, counts.tolist()))


def stopped(plain: VictimRun, accuracy: float, **changes: Any) -> VictimRun:
    """The plain run once more, stopped at its best epoch."""
    name = EarlyStopping().name
    peak = {"countermeasure": name, "test_accuracy": accuracy, "peak_test_accuracy": accuracy, "epochs": 2}
    return plain.model_copy(update={**peak, **changes})


def verified(auc: float, tar: float = 0.5) -> Verification:
    """Verification of 600 pairs; `tar` where 1 % are falsely accepted."""
    roc = ((0.0, 0.0), (0.0, tar / 2), (0.01, tar), (1.0, 1.0))
    return Verification(pairs=600, same=300, auc=auc, tar_at_far=((0.001, tar / 2), (0.01, tar)), roc=roc)


def obeyed(success: float, trigger: str = "error-minimizing, class-wise, 8/255") -> tuple[Backdoor, ...]:
    """A backdoor test with one trigger."""
    return (Backdoor(trigger=trigger, pictures=90, success=success),)


def grid_of_runs(jpeg: float = 70.0, plain: float = 12.0) -> list[VictimRun]:
    """Three seeds of clean (90 plain, 80 under jpeg-10) and protected (`plain`, `jpeg`) data; spread 1 everywhere."""
    return [
        *seeds("none", "none", 89.0, 90.0, 91.0),
        *seeds("none", "jpeg-10", 79.0, 80.0, 81.0),
        *seeds("error-minimizing", "none", plain - 1, plain, plain + 1),
        *seeds("error-minimizing", "jpeg-10", jpeg - 1, jpeg, jpeg + 1),
    ]


def protected_set(**changes: Any) -> ProtectedSet:
    """A protected copy that was measured."""
    fields = {
        "method": "error-minimizing",
        "form": "sample-wise",
        "norm": "linf",
        "epsilon": 8,
        "fraction": 1.0,
        "samples": 1000,
        "changed": 1000,
        "max_abs_change": 8,
        "max_l2": 123.45,
        "mean_l2": 0.4321,
        "psnr": 33.219,
        "noise_error": 0.011,
        "converged": True,
    }
    return ProtectedSet(**{**fields, **changes})


def context(**changes: Any) -> ReportContext:
    """What stands around the numbers."""
    fields = {
        "title": "digits",
        "protected": (protected_set(),),
        "settings": {"seeds": 3, "victims": [{"kind": "tiny", "recipe": {"size": 32}}]},
        "versions": {"torch": "2.11.0"},
        "seconds": 12.34,
    }
    return ReportContext(**{**fields, **changes})
