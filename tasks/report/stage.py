"""Prefect tasks of the report stage."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import infra.prefect_settings  # noqa: F401 - before Prefect

import numpy as np
from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from infra.errors import one_line
from infra.orchestration import RETRIES, log
from infra.storage import Folder
from schemas.bucket import BucketSummary
from schemas.evaluate import EvaluateConfig, ReportRecord, VictimRun
from schemas.protect import ProtectSummary
from schemas.report import ReportContext
from tasks.evaluate import sets, shard_sets
from tasks.report import protected, verdict
from tasks.report.covered import covered_classes
from tasks.report.display import records
from tasks.report.findings import findings
from tasks.report.markdown import escape
from tasks.report.write import write_report

_SHOWN = 8


@task(name="write report", task_run_name="report on {context.title}", **RETRIES)
def write_evaluation(config: EvaluateConfig, runs: Sequence[VictimRun], context: ReportContext) -> ReportRecord:
    """Write WORKSPACE/reports/RUN/, and the Prefect artifacts that show it."""
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder = Folder(config.workspace).child(f"reports/{name}")
    told = _with_sizes(config, context)
    covered = covered_classes(config, runs[0])
    record = write_report(folder, runs, told, _pictures(config), covered)
    found = findings(runs, covered)
    text = "\n\n".join(map(escape, verdict.sentences(found, told)))
    title = escape(one_line(context.title))
    create_markdown_artifact(text, key="verdict", description=f"What the protection of {title} is worth")
    rows = [{str(name): _plain(value) for name, value in row.items()} for row in records(found.summary)]
    create_table_artifact(rows, key="victims-by-countermeasure", description="Mean over seeds, accuracies in percent")
    if "://" in record.report:
        create_link_artifact(record.report, key="report", link_text="report.html")
    log(record.verdict)
    return record


@task(name="tell protection", task_run_name="tell of {summary.destination}", **RETRIES)
def tell_protection(summary: ProtectSummary) -> None:
    """The artifact `protection` of a run: what it did."""
    create_markdown_artifact(protected.of_dataset(summary), key="protection", description="What the run protected")


@task(name="tell bucket", task_run_name="tell of {summary.config.bucket}", **RETRIES)
def tell_bucket(summary: BucketSummary) -> None:
    """The artifact `protected-bucket` of a run: what became of each dataset."""
    create_markdown_artifact(protected.of_bucket(summary), key="protected-bucket", description="What became of each")


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


def _plain(value: object) -> str | int | float | None:
    """A value that JSON can hold; in a text, nothing that the UI would make a link of."""
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else round(float(value), 4)
    return int(value) if isinstance(value, int | np.integer) else one_line(str(value)).replace("](", "] (")
