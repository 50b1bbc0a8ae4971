"""Prefect tasks of the evaluate stage."""

from dataclasses import asdict
from typing import Any

from prefect import task

from infra import progress
from infra.devices import device_kind, pick_device, precision
from infra.errors import DataError
from infra.orchestration import RETRIES, cached, gpu_gate, log
from infra.storage import Folder
from schemas.base import digest
from schemas.evaluate import EpochPoint, EvaluateConfig, VictimRun
from schemas.report import ProtectedSet
from tasks.evaluate import measure, sets, victim
from tasks.evaluate.cells import Cell
from tasks.rewrite.audit import audit, manifest_of


@task(name="measure copy", task_run_name="measure {copy}", **RETRIES)
def measure_copy(copy: str, config: EvaluateConfig) -> ProtectedSet:
    """Audit a protected copy against the originals and measure its change.

    Raises DataError when the audit finds a problem: numbers of such a copy would say nothing.
    """
    found = audit(Folder(copy), config.clean)
    if found.problems:
        first = "; ".join(found.problems[:3])
        raise DataError(f"{copy} does not pass its audit ({first})", "run verify, then protect again")
    return measure.protected_set(manifest_of(Folder(copy)), found)


@task(name="train victim", task_run_name="{cell.victim.name} {cell.countermeasure.name} seed {cell.seed}", **RETRIES)
def train_victim(cell: Cell, config: EvaluateConfig) -> VictimRun:
    """Train and test one victim, or find the run done; kept in WORKSPACE/evaluate/."""
    device = pick_device(config.device)
    size = sets.size_of(config, cell.victim.recipe)
    training = sets.clean_set(config, size) if cell.protected is None else sets.protected_set(cell.protected, size)
    test = sets.test_set(config, size)
    inputs = digest(
        victim.VERSION,
        [training.digest(), test.digest()],
        cell.victim,
        cell.countermeasure,
        [cell.seed, device_kind(device), precision(device)],
    )
    folder, marker = Folder(config.workspace), f"evaluate/{inputs[:32]}.json"
    epochs = cell.victim.recipe.epochs
    done = folder.load(marker, VictimRun)
    if done is not None and done.inputs == inputs:
        progress.advance("evaluate", epochs, "done already")
        return cached(done.model_copy(update=_names(cell, config)))
    with gpu_gate(device.type):
        result = victim.run(
            cell.victim,
            cell.countermeasure,
            training.to(device),
            test.to(device),
            cell.seed,
            lambda point: progress.advance("evaluate", 1, f"test {point.test_accuracy:.1f} %"),
        )
    progress.advance("evaluate", epochs - len(result.curve))
    run = _record(
        cell,
        result,
        inputs=inputs,
        samples=len(training.images),
        test_samples=len(test.images),
        classes=training.classes,
        device=device_kind(device),
        precision=precision(device),
        **_names(cell, config),
    )
    folder.save(marker, run)
    log(f"{run.method} {run.form} {run.victim} {run.countermeasure} seed {run.seed}: {run.test_accuracy:.2f} %")
    return run


def _names(cell: Cell, config: EvaluateConfig) -> dict[str, Any]:
    """The names under which an evaluation reports a run; the same run may be reported under others elsewhere."""
    names: dict[str, Any] = {"dataset": measure.name_of(config.clean), "victim": cell.victim.name}
    if cell.protected is None:
        return names | {"method": "none", "form": "none", "epsilon": 0, "fraction": 0.0, "variant": ""}
    protection = manifest_of(Folder(cell.protected)).protection
    return names | protection.model_dump(include={"method", "form", "epsilon", "fraction", "variant"})


def _record(cell: Cell, result: victim.Result, **known: Any) -> VictimRun:
    last = result.curve[-1]
    return VictimRun(
        **known,
        countermeasure=cell.countermeasure.name,
        seed=cell.seed,
        test_accuracy=last.test_accuracy,
        peak_test_accuracy=max(p.test_accuracy for p in result.curve),
        train_accuracy=last.train_accuracy,
        epochs=len(result.curve),
        seconds=result.seconds,
        curve=tuple(EpochPoint(**asdict(point)) for point in result.curve),
        confusion=result.confusion,
        diverged=result.diverged,
    )
