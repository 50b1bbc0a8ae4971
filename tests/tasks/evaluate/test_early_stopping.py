"""Early stopping is the plain run, seen at its best epoch."""

import math

import pytest

from schemas.countermeasures import EarlyStopping, Grayscale, NoCountermeasure
from schemas.dataset import SourceSpec
from schemas.evaluate import Backdoor, EpochPoint, EvaluateConfig, Verification, VictimRun
from tasks.evaluate.early_stopping import with_early_stopping

LAST, PEAK = ((3, 7), (0, 10)), ((9, 1), (2, 8))


def run_of(accuracies, countermeasure="none", losses=None, **fields):
    losses = losses or [1.0 / n for n in range(1, len(accuracies) + 1)]
    curve = tuple(
        EpochPoint(epoch=i + 1, loss=losses[i], train_accuracy=50.0 + i, test_accuracy=accuracy)
        for i, accuracy in enumerate(accuracies)
    )
    known = {"inputs": "ab", "dataset": "d", "method": "random", "form": "class-wise", "epsilon": 8, "fraction": 1.0}
    measured = {
        "test_accuracy": accuracies[-1],
        "peak_test_accuracy": max(accuracies),
        "train_accuracy": curve[-1].train_accuracy,
        "epochs": len(curve),
        "curve": curve,
        "confusion": LAST,
        "peak_confusion": PEAK,
        "per_class": ((3, 10), (10, 10)),
        "peak_per_class": ((9, 10), (8, 10)),
        "diverged": not math.isfinite(losses[-1]),
    }
    rest = {"victim": "tiny", "seed": 0, "seconds": 1.0, "samples": 20, "test_samples": 20, "classes": ("a", "b")}
    rest |= {"device": "cpu", "precision": "fp32", "countermeasure": countermeasure}
    return VictimRun(**{**known, **measured, **rest, **fields})


def config_for(*countermeasures):
    spec = SourceSpec(url="s")
    return EvaluateConfig(
        protected=("a",), clean=spec, test=spec, workspace="w", countermeasures=countermeasures or (NoCountermeasure(),)
    )


def stopped(run):
    (found,) = with_early_stopping(config_for(EarlyStopping()), [run])
    return found


def test_it_has_the_accuracies_and_the_confusion_of_the_best_epoch():
    found = stopped(run_of([20.0, 85.0, 65.0]))
    assert (found.test_accuracy, found.peak_test_accuracy, found.train_accuracy) == (85.0, 85.0, 51.0)
    assert (found.epochs, found.confusion, found.countermeasure) == (2, PEAK, "early-stopping")
    assert len(found.curve) == 3
    assert found.per_class == ((9, 10), (8, 10))


def test_of_equal_epochs_the_first_is_the_best():
    assert stopped(run_of([20.0, 85.0, 85.0])).epochs == 2


def test_what_was_asked_of_the_last_epochs_network_is_not_told_of_the_best():
    asked = {
        "verification": Verification(pairs=2, same=1, auc=0.5, tar_at_far=(), roc=()),
        "backdoor": (Backdoor(trigger="t", pictures=1, success=1.0),),
    }
    found = stopped(run_of([20.0, 10.0], **asked))
    assert found.verification is None
    assert found.backdoor == ()


def test_a_run_that_fell_apart_later_had_a_best_epoch_before():
    broken = run_of([20.0, 60.0, 10.0], losses=[1.0, 0.5, math.nan])
    assert broken.diverged
    found = stopped(broken)
    assert not found.diverged
    assert found.test_accuracy == 60.0
    assert stopped(run_of([10.0], losses=[math.nan])).diverged


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((NoCountermeasure(),), ["none", "none"]),
        ((NoCountermeasure(), Grayscale()), ["none", "none", "grayscale"]),
        ((EarlyStopping(),), ["early-stopping", "early-stopping"]),
        (
            (NoCountermeasure(), EarlyStopping(), Grayscale()),
            ["none", "none", "grayscale", "early-stopping", "early-stopping"],
        ),
    ],
)
def test_there_are_the_runs_that_were_asked_for_and_no_others(asked, expected):
    trained = [run_of([1.0]), run_of([2.0], seed=1)]
    if Grayscale() in asked:
        trained.append(run_of([3.0], "grayscale"))
    found = with_early_stopping(config_for(*asked), trained)
    assert [run.countermeasure for run in found] == expected
    assert [run.seed for run in found if run.countermeasure == "early-stopping"] in ([], [0, 1])
