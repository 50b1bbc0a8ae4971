"""Prefect tasks of the evaluate stage."""

from dataclasses import asdict
from typing import Any

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect import task

from infra import progress
from infra.caching import one_of_a_kind
from infra.checkpoint import Checkpoint
from infra.devices import device_kind, pick_device, precision, threads
from infra.errors import DataError
from infra.orchestration import RETRIES, cached, gpu_gate, log
from infra.storage import Folder
from schemas.base import digest
from schemas.countermeasures import Countermeasure, NoCountermeasure
from schemas.evaluate import EpochPoint, EvaluateConfig, VictimRun
from schemas.fitted import NoiseRecord
from schemas.protect import ProtectConfig
from schemas.report import ProtectedSet
from schemas.victims import Victim
from tasks.evaluate import cost, measure, pretrained, probes, sets, training, treatment, victim
from tasks.evaluate.cells import Cell
from tasks.evaluate.kept import KeptRun
from tasks.rewrite.audit import audit, manifest_of


@task(name="measure copy", task_run_name="measure {copy}", **RETRIES)
def measure_copy(copy: str, config: EvaluateConfig) -> ProtectedSet:
    """Audit a protected copy against the originals and measure its change.

    Raises DataError when the audit finds a problem: numbers of such a copy would say nothing.
    """
    found = audit(Folder(copy), config.clean, ssim=True)
    if found.problems:
        first = "; ".join(found.problems[:3])
        raise DataError(f"{copy} does not pass its audit ({first})", "run verify, then protect again")
    reasons = measure.quarantine_reasons(Folder(config.workspace), copy)
    return measure.protected_set(copy, manifest_of(Folder(copy)), found, reasons)


@task(name="train victim", task_run_name="{cell.label}", **RETRIES)
def train_victim(cell: Cell, config: EvaluateConfig) -> VictimRun:
    """Train and test one victim, or find the run done, or go on with it; kept in WORKSPACE/evaluate/."""
    device = pick_device(config.device)
    size = sets.size_of(config, cell.victim.recipe)
    does = treatment.treatment_of(cell.countermeasure)
    pictures = training.pictures(config, cell, does, size)
    test = sets.test_set(config, size)
    probe = probes.of(config, cell.protected, size)
    counted = _counted(cell, does)
    inputs = digest(
        victim.VERSION,
        [pictures.digest(), test.digest(), *probe.digests()],
        [cell.victim.model_dump(mode="json"), pretrained.fingerprint(cell.victim)],
        [treatment.module_of(counted).VERSION, counted.model_dump(mode="json")],
        [cell.seed, device_kind(device), precision(device), threads(device)],
    )
    folder, name = Folder(config.workspace), f"evaluate/{inputs[:32]}"
    epochs = cell.victim.recipe.epochs
    with one_of_a_kind(f"{folder.url}/{name}"):  # two cells may be the same run under two names
        kept = KeptRun(Checkpoint(folder, name, inputs))
        done = folder.load(f"{name}.json", VictimRun)
        if done is not None and done.inputs == inputs:
            kept.clear()  # a run that was killed right after its record was saved left its state behind
            progress.advance("evaluate", epochs, "done already")
            return cached(done.model_copy(update=_names(cell, config)))
        heard: list[victim.Point] = []

        def hear(point: victim.Point) -> None:
            heard.append(point)
            progress.advance("evaluate", 1, f"test {point.test_accuracy:.1f} %", pictures.count)

        with gpu_gate(device.type):
            result = victim.run(
                cell.victim,
                does,
                pictures.batches(does, cell.seed, device),
                victim.Examination(test.images.to(device), test.labels.to(device), len(test.classes)),
                cell.seed,
                hear,
                kept,
            )
            found = {} if result.diverged else probe.examine(result.model, test)
        # Those before a stop, and those that a diverged run did not have.
        progress.advance("evaluate", epochs - len(heard))
        run = _record(
            result,
            inputs=inputs,
            samples=pictures.count,
            test_samples=len(test.images),
            classes=test.classes,
            device=device_kind(device),
            precision=precision(device),
            **_names(cell, config),
            **found,
        )
        folder.save(f"{name}.json", run)
        kept.clear()
        log(f"{cell.label}: {run.test_accuracy:.2f} %")
        return run


@task(name="measure cost", task_run_name="cost of {protection.method.kind} {protection.method.form}", **RETRIES)
def measure_cost(protection: ProtectConfig, noise: NoiseRecord, by: Victim, config: EvaluateConfig) -> float:
    """Time that a protect run took, fit and rewriting, in percent of a training run that is timed now."""
    device = pick_device(config.device)
    clean = sets.clean_set(config, sets.size_of(config, by.recipe)).to(device)
    with gpu_gate(device.type):
        training_run = cost.training_seconds(by, clean.images, clean.labels, len(clean.classes))
    return 100 * cost.noise_seconds(protection, noise, device_kind(device)) / training_run


def _counted(cell: Cell, does: treatment.Treatment) -> Countermeasure:
    """What tells a run's training from others: its countermeasure, or none where it does nothing to clean pictures."""
    idle = cell.protected is None and not (does.pictures or does.learn or does.change)
    return NoCountermeasure() if idle else cell.countermeasure


def _names(cell: Cell, config: EvaluateConfig) -> dict[str, Any]:
    """The names under which an evaluation reports a run; the same run may be reported under others elsewhere."""
    names: dict[str, Any] = {
        "dataset": measure.name_of(config.clean),
        "victim": cell.victim.name,
        "countermeasure": cell.countermeasure.name,
        "part": cell.part,
        "seed": cell.seed,
    }
    if cell.protected is None:
        return names | {"method": "none", "form": "none", "epsilon": 0, "fraction": 0.0, "variant": ""}
    protection = manifest_of(Folder(cell.protected)).protection
    return names | protection.model_dump(include={"method", "form", "epsilon", "fraction", "variant"})


def _record(result: victim.Result, **known: Any) -> VictimRun:
    last = result.curve[-1]
    return VictimRun(
        **known,
        test_accuracy=last.test_accuracy,
        peak_test_accuracy=max(p.test_accuracy for p in result.curve),
        train_accuracy=last.train_accuracy,
        epochs=len(result.curve),
        seconds=result.seconds,
        curve=tuple(EpochPoint(**asdict(point)) for point in result.curve),
        confusion=result.confusion,
        peak_confusion=result.peak_confusion,
        per_class=result.per_class,
        peak_per_class=result.peak_per_class,
        diverged=result.diverged,
    )
