"""What protection runs did, in Markdown: for Prefect's artifacts."""

from infra.errors import one_line
from schemas.bucket import BucketSummary, DatasetOutcome
from schemas.protect import ProtectSummary
from tasks.report.markdown import escape


def of_dataset(summary: ProtectSummary) -> str:
    """A table of one run's numbers."""
    rows = [
        ("destination", summary.destination),
        ("pictures protected", f"{summary.protected} of {summary.samples}"),
        ("shards", f"{summary.shards}, of which {summary.skipped_shards} were done before"),
        ("quarantined", str(summary.quarantined)),
        ("largest change of a stored value", f"{summary.max_abs_change}/255"),
        ("noise", f"{summary.noise}, {summary.stopped}{'' if summary.converged else ': expect weak protection'}"),
        ("kept though no longer in the source", ", ".join(summary.orphans_kept) or "none"),
        ("removed", ", ".join(summary.orphans_removed) or "none"),
        ("seconds", f"{summary.seconds:.1f}"),
    ]
    return _table(("", ""), rows)


def of_bucket(summary: BucketSummary) -> str:
    """A table with a row for each dataset, and what a person has to look at."""
    header = ("dataset", "pictures", "protected", "shards", "done before", "quarantined", "seconds", "")
    remarks = [
        f"No longer in the bucket, their copies stay: {_names(summary.gone)}." if summary.gone else "",
        f"{summary.stray_count} files belong to no dataset: {_names(summary.strays)}." if summary.stray_count else "",
    ]
    return "\n\n".join(filter(None, (_table(header, [_row(each) for each in summary.datasets]), *remarks)))


def _row(outcome: DatasetOutcome) -> tuple[str, ...]:
    done = outcome.summary
    if done is None:
        return (outcome.name, "", "", "", "", "", "", f"failed: {outcome.error}")
    orphans = f"no longer in the source: {', '.join(done.orphans_kept)}" if done.orphans_kept else ""
    numbers = (done.samples, done.protected, done.shards, done.skipped_shards, done.quarantined)
    return (outcome.name, *map(str, numbers), f"{done.seconds:.1f}", orphans)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(escape(one_line(name)) for name in names)


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(escape(one_line(cell)) for cell in line) + " |" for line in lines)
