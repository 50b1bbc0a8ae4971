"""`unlearnable protect-bucket`."""

from typing import Annotated, Any

import typer

from flows.cli import console, options
from flows.cli.job import takes_a_job, with_defaults
from infra.errors import one_line
from schemas.bucket import BucketConfig, BucketSummary
from schemas.run import Stage


@takes_a_job
def command(
    fields: dict[str, Any],
    workspace: options.Workspace,
    datasets: Annotated[
        str | None, typer.Option(help="List of the datasets.", show_default="SOURCE/datasets.yaml")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Protect these datasets only: a,b.")] = None,
    json_: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Protect every dataset below SOURCE, each into a folder of DEST; only what is new or changed is done again."""
    del debug
    summary = run(options.build(BucketConfig, _bucket_fields(fields, workspace, datasets, only)))
    if json_:
        options.print_json(summary.model_dump(mode="json"))
    else:
        tell(summary)


def run(config: BucketConfig, redo: Stage | None = None) -> BucketSummary:
    """The flow, with its progress shown."""
    from flows.protect_bucket import protect_bucket
    from infra.orchestration import start_server

    start_server()
    with console.show_progress():
        return protect_bucket(config, redo)


def tell(summary: BucketSummary) -> None:
    """The closing lines of a run over a bucket."""
    for each in summary.datasets:
        done = each.summary
        if done is None:
            print(f"{each.name}: failed: {each.error}")
            continue
        print(
            f"{each.name}: {done.protected} of {done.samples} pictures protected in {done.shards} shards, "
            f"{done.skipped_shards} done before, {done.quarantined} quarantined, {done.seconds:.1f} s"
        )
        if done.orphans_kept:
            print(f"  no longer in the source, the copies stay: {one_line(', '.join(done.orphans_kept))}")
        if done.orphans_removed:
            print(f"  removed: {one_line(', '.join(done.orphans_removed))}")
        if not done.converged:
            print(f"  WARNING: the fit ended {done.stopped}: expect weak protection")
    if summary.gone:
        print(f"No longer in the bucket, their copies stay: {one_line(', '.join(summary.gone))}")
    if summary.stray_count:
        print(f"{summary.stray_count} files belong to no dataset, such as {one_line(summary.strays[0])}")
    print(f"{len(summary.datasets)} datasets, {summary.seconds:.1f} s: {summary.config.destination}")
    options.print_next("status", summary.config.workspace)


def _bucket_fields(fields: dict[str, Any], workspace: str, datasets: str | None, only: str | None) -> dict[str, Any]:
    """Fields of a BucketConfig from those of a job: its source is the bucket."""
    source = dict(fields.pop("source"))
    job = with_defaults(fields)
    own = {"bucket": source.pop("url"), "destination": job.pop("destination"), "workspace": workspace}
    job.pop("workspace", None)
    return {**own, "datasets": datasets, "only": options.names(only), "source": source, "job": job}
