"""What an experiment of the paper measures, read off a training run."""

from collections.abc import Sequence

from infra.errors import DataError
from schemas.evaluate import VictimRun
from schemas.experiments import Experiment, Outcome
from schemas.fitted import NoiseRecord
from tasks.evaluate import per_class
from tasks.evaluate.verification import FAR


def value(one: Experiment, run: VictimRun, classes: Sequence[str] | None, trigger: str | None) -> float:
    """The number that `one` asks for; `classes` names those that count, `trigger` the copy whose noise was laid on.

    Accuracies and successes in percent, AUC and TAR from 0 to 1. Raises DataError when the run does not hold it.
    """
    if one.measured in {"auc", "tar"}:
        return _verification(one, run)
    if one.measured == "backdoor":
        found = [each.success for each in run.backdoor if each.trigger == trigger]
        return found[0] if found else _missing(one)
    if one.measured == "peak":
        return run.peak_test_accuracy
    if classes is None:
        return run.test_accuracy
    own = per_class.own_classes(run, classes)
    return per_class.accuracy_on(run, [name for name in run.classes if name not in own] if one.others else own)


def of(one: Experiment, values: tuple[float, ...], diverged: int, noise: NoiseRecord | None) -> Outcome:
    """An experiment's outcome from a value a seed; `noise` is the record of its noise, if it has any."""
    return Outcome(
        dataset=one.dataset,
        row=one.row,
        column=one.column,
        victim=one.victim.name,
        measured=one.measured,
        paper=one.paper,
        values=values,
        diverged=diverged,
        noise_error=None if noise is None else noise.error,
        converged=None if noise is None or noise.stopped == "no-fit" else noise.converged,
    )


def _verification(one: Experiment, run: VictimRun) -> float:
    if run.verification is None:
        return _missing(one)
    return run.verification.auc if one.measured == "auc" else dict(run.verification.tar_at_far)[FAR]


def _missing(one: Experiment) -> float:
    raise DataError(f"a run of {one.row} holds no {one.measured}", "remove WORKSPACE/evaluate and run it again")
