"""Evaluate protected copies: measure them, train victims, report."""

import time
from importlib.metadata import version

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect import flow

from infra import progress
from infra.artifacts import shown_progress
from infra.devices import cores_shared_by
from infra.orchestration import give_up_after_crashes
from infra.runners import Steps, map_tasks, side_by_side
from schemas.evaluate import EvaluateConfig, Evaluation
from schemas.report import ReportContext
from tasks.evaluate import feasibility, places, probes, sets
from tasks.evaluate.cells import cells, steps
from tasks.evaluate.early_stopping import with_early_stopping
from tasks.evaluate.measure import name_of, require_distinct
from tasks.evaluate.stage import measure_copy, train_victim
from tasks.report.stage import write_evaluation


@flow(name="evaluate", flow_run_name="evaluate {config.copies}")
def evaluate(config: EvaluateConfig) -> Evaluation:
    """Train victims on protected copies and on the clean pictures, test them on clean pictures, and report.

    Args:
        config: Which copies are evaluated, on what, by which victims and countermeasures.

    """
    give_up_after_crashes()
    started = time.perf_counter()
    places.check(config)
    sets.forget()
    probes.forget()
    feasibility.check(config)
    runner = config.runner
    workers = side_by_side(runner, config.device, len(config.protected))
    copies = map_tasks(measure_copy, config.protected, workers, "protected copies", runner, config=config).results
    require_distinct(copies)

    chosen = cells(config, frozenset(filter(sets.is_parted, config.protected)))
    workers, epochs = side_by_side(runner, config.device, len(chosen)), Steps("evaluate", lambda cell: steps([cell]))
    with cores_shared_by(workers), shown_progress():
        progress.start("evaluate", steps(chosen), "epochs")
        trained = map_tasks(train_victim, chosen, workers, "victims", runner, epochs, config=config).results
        progress.finish("evaluate")
    runs = with_early_stopping(config, trained)

    context = ReportContext(
        title=name_of(config.clean),
        protected=tuple(copies),
        settings=config.model_dump(mode="json"),
        versions={
            name: version(name) for name in ("unlearnable", "torch", "torchvision", "prefect", "opencv-python-headless")
        },
        seconds=time.perf_counter() - started,
        notes=sets.remarks(config),
    )
    report = write_evaluation(config, runs, context)
    return Evaluation(runs=tuple(runs), report=report)
