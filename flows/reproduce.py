"""Reproduce tables and figures of the paper: make the noise, train the victims, set ours beside the paper's numbers."""

import time
from collections.abc import Sequence

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect import flow

from flows.paper import catalogue, checks
from flows.paper.cells import Group, groups_of
from flows.paper.copies import Copies
from infra import progress
from infra.devices import cores_shared_by, pick_device, slots
from infra.orchestration import log
from infra.runners import map_tasks
from infra.storage import Folder
from schemas.evaluate import VictimRun
from schemas.experiments import DataUsed, Experiment, PaperResult, ReproduceConfig, Reproduced, ResultRecord
from tasks.evaluate import outcomes, probes, sets
from tasks.evaluate.stage import measure_cost, train_victim
from tasks.report.paper import write_result
from tasks.report.paper_found import Read

SEEDS = ReproduceConfig.model_fields["seeds"].default


@flow(name="reproduce", flow_run_name="reproduce {config.experiments} at {config.scale} scale")
def reproduce(config: ReproduceConfig) -> Reproduced:
    """Run the experiments that are asked for, one table or figure after the other; what is done already is kept.

    Args:
        config: Which experiments are run, at which scale, and where their results go.

    """
    wanted = catalogue.chosen(config)
    checks.check(wanted, config)
    copies = Copies(config)
    records = [reproduce_one(result, config, copies) for result in wanted]
    return Reproduced(results=tuple(records), folder=Folder(config.workspace).child("reproduced").url)


def reproduce_one(result: PaperResult, config: ReproduceConfig, copies: Copies) -> ResultRecord:
    """One table or figure: its noise, its victims, and the paper's numbers with ours beside them."""
    started = time.perf_counter()
    log(f"{result.name}: {result.title}")
    sets.forget()
    probes.forget()
    found: list[Read] = []
    used: list[DataUsed] = []
    for group in groups_of(result, config, copies):
        found += timed(group) if group.cost else trained(group, config)
        used += group.data()
    progress.say(f"reproduce: {result.name} is done")
    folder = Folder(config.workspace).child(f"reproduced/{folder_name(result.name, config)}")
    in_order = sorted(found, key=lambda each: result.experiments.index(each[0]))
    return write_result(folder, result, config, tuple(dict.fromkeys(used)), in_order, started)


def folder_name(name: str, config: ReproduceConfig) -> str:
    """Where a result goes, such as table1-small-svhn: what is cut otherwise doesn't take its place."""
    seeds = f"seeds{config.seeds}" if config.seeds != SEEDS else ""
    noise = f"noise{config.noise_seed}" if config.noise_seed else ""
    parts = [name, config.scale, *(config.datasets or ()), *(config.victims or ()), seeds, noise]
    return "-".join(filter(None, parts))


def trained(group: Group, config: ReproduceConfig) -> list[Read]:
    """Train the victims of experiments that share their data, each once, and read off what was measured."""
    group.check()
    workers = slots(pick_device(config.device))
    cells = group.cells(config.seeds)
    progress.start("evaluate", group.epochs(config.seeds), "epochs")
    with cores_shared_by(workers):
        runs = map_tasks(train_victim, cells, workers, "victims", config=group.evaluation).results
    progress.finish("evaluate")
    by_cell = dict(zip(cells, runs, strict=True))
    return [_read(one, [by_cell[cell] for cell in group.cells_of(one, config.seeds)], group) for one in group.members]


def timed(group: Group) -> list[Read]:
    """Time what making noise costs beside a training run, with all cores on one thing at a time."""
    return [(one, (), outcomes.of(one, (_cost(one, group),), 0, group.noise_of(one))) for one in group.members]


def _cost(one: Experiment, group: Group) -> float:
    copy = group.copy_of(one)
    return measure_cost(copy.config, copy.noise, one.victim, group.evaluation)


def _read(one: Experiment, runs: Sequence[VictimRun], group: Group) -> Read:
    finished = [run for run in runs if not run.diverged]
    values = tuple(outcomes.value(one, run, group.classes_of(one), group.trigger_of(one)) for run in finished)
    return one, tuple(runs), outcomes.of(one, values, len(runs) - len(finished), group.noise_of(one))
