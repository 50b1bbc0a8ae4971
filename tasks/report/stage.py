"""Prefect tasks of the report stage."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import infra.prefect_settings  # noqa: F401 - before Prefect

import numpy as np
from prefect import task

from infra import artifacts
from infra.errors import UnlearnableError, one_line
from infra.orchestration import RETRIES, log, warn
from infra.storage import Folder
from schemas.bucket import BucketSummary
from schemas.evaluate import EvaluateConfig, ReportRecord, VictimRun
from schemas.protect import ProtectConfig, ProtectSummary
from schemas.report import ReportContext
from tasks.evaluate import sets, shard_sets
from tasks.report import protected, shown
from tasks.report.covered import covered_classes
from tasks.report.findings import findings
from tasks.report.grid import AMPLIFIED, picture_grid
from tasks.report.markdown import escape
from tasks.report.view import view
from tasks.report.write import write_report
from tasks.rewrite.audit import CARD

_SHOWN = 8
_LARGEST_SIDE = 160
_COLUMNS = f"original, noise x{AMPLIFIED}, protected"


@task(name="write report", task_run_name="report on {context.title}", **RETRIES)
def write_evaluation(config: EvaluateConfig, runs: Sequence[VictimRun], context: ReportContext) -> ReportRecord:
    """Write WORKSPACE/reports/RUN/, and the Prefect artifacts that show it."""
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder = Folder(config.workspace).child(f"reports/{name}")
    told = _with_sizes(config, context)
    covered = covered_classes(config, runs[0])
    pictures = _pictures(config)
    record = write_report(folder, runs, told, pictures, covered)
    said = view(findings(runs, covered), told, record.created)
    title = escape(one_line(context.title))
    artifacts.markdown("verdict", "\n\n".join(map(escape, said.verdict)), f"What the protection of {title} is worth")
    artifacts.table("victims-by-countermeasure", shown.rows(*said.results), "Accuracies in percent, over seeds")
    artifacts.table("runs", shown.rows(said.runs), "Every training run, accuracies in percent")
    artifacts.table("copies", shown.rows(said.stored), "The stored pictures beside their originals")
    for number, (caption, (original, stored)) in enumerate(pictures.items(), start=1):
        artifacts.picture(
            f"pictures-{number}", picture_grid(original, stored), f"{escape(one_line(caption))}: {_COLUMNS}"
        )
    artifacts.link("report", record.report, "report.html")
    log(record.verdict)
    return record


@task(name="tell protection", task_run_name="tell of {summary.destination}", **RETRIES)
def tell_protection(config: ProtectConfig, summary: ProtectSummary) -> None:
    """The artifacts of a protect run: what it did, a few of its pictures where it made any, where its card lies."""
    artifacts.markdown("protection", protected.of_dataset(summary), "What the run protected")
    artifacts.link("card", Folder(summary.destination).object_url(CARD), "dataset card")
    if summary.skipped_shards == summary.shards:
        return
    try:
        pair = shard_sets.of_one_shard(summary.destination, config.source, _LARGEST_SIDE, _SHOWN)
    except UnlearnableError as error:  # the source may have changed since: the work is done all the same
        warn(f"the run's pictures are not shown: {error}")
        return
    if pair is not None:
        artifacts.picture("pictures", picture_grid(*pair), _COLUMNS)


@task(name="tell bucket", task_run_name="tell of {summary.config.bucket}", **RETRIES)
def tell_bucket(summary: BucketSummary) -> None:
    """The artifact `protected-bucket` of a run: what became of each dataset."""
    artifacts.markdown("protected-bucket", protected.of_bucket(summary), "What became of each")


def _pictures(config: EvaluateConfig) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A few originals and their protected copies, one of each class in turn, by caption; no others are loaded."""
    size = sets.size_of(config, config.victims[0].recipe)
    return {sets.caption(copy): shard_sets.examples(copy, config.clean, size, _SHOWN) for copy in config.protected}


def _with_sizes(config: EvaluateConfig, context: ReportContext) -> ReportContext:
    """The context, its settings with the side at which each victim saw pictures where none was asked for."""
    sizes = [sets.size_of(config, each.recipe) for each in config.victims]
    asked = config.model_dump(mode="json")["victims"]
    victims = [{**each, "recipe": {**each["recipe"], "size": size}} for each, size in zip(asked, sizes, strict=True)]
    return context.model_copy(update={"settings": {**context.settings, "victims": victims}})
