"""Early stopping: the plain runs once more, each as if it had been stopped at its best epoch.

The best epoch is picked by the clean test pictures themselves, so this is the most that stopping early can give.
"""

import math
from collections.abc import Sequence

from schemas.countermeasures import EarlyStopping, NoCountermeasure
from schemas.evaluate import EvaluateConfig, VictimRun


def with_early_stopping(config: EvaluateConfig, runs: Sequence[VictimRun]) -> list[VictimRun]:
    """The runs that were asked for: those trained, and where it is wanted one of early stopping for each plain one."""
    wanted = {each.name for each in config.countermeasures}
    if EarlyStopping().name not in wanted:
        return list(runs)
    plain = [run for run in runs if run.countermeasure == NoCountermeasure().name]
    kept = [run for run in runs if run.countermeasure in wanted]
    return [*kept, *map(_at_best, plain)]


def _at_best(run: VictimRun) -> VictimRun:
    best = max(run.curve, key=lambda point: point.test_accuracy)  # the first of equals
    update = {
        "countermeasure": EarlyStopping().name,
        "test_accuracy": best.test_accuracy,
        "train_accuracy": best.train_accuracy,
        "epochs": best.epoch,
        "confusion": run.peak_confusion,
        "per_class": run.peak_per_class,
        "diverged": not math.isfinite(best.loss),
        "verification": None,
        "backdoor": (),
    }
    return run.model_copy(update=update)
