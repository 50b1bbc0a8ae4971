"""A protected copy measured on its stored bytes."""

import io
import math
from collections.abc import Mapping, Sequence

import pandas as pd

from infra.errors import ConfigurationError
from infra.redaction import redact
from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.protect import Job, ProtectedManifest
from schemas.report import ProtectedSet
from tasks.rewrite.audit import Audit
from tasks.shard.index import QUARANTINE


def protected_set(copy: str, manifest: ProtectedManifest, audit: Audit, reasons: Mapping[str, int]) -> ProtectedSet:
    """What an audit measured of the copy at a URL, as a row of the report; means are over the changed pictures.

    `reasons` counts its quarantined samples.
    """
    protection, dataset = manifest.protection, manifest.dataset
    return ProtectedSet(
        method=protection.method,
        form=protection.form,
        norm=protection.norm,
        epsilon=protection.epsilon,
        fraction=protection.fraction,
        variant=protection.variant,
        samples=audit.samples,
        changed=audit.changed,
        max_abs_change=audit.max_abs_change,
        max_l2=audit.max_l2,
        mean_l2=audit.l2 / audit.changed if audit.changed else None,
        psnr=psnr(audit.squared_change, audit.values),
        ssim=audit.similarity and audit.similarity.mean(),
        noise_error=protection.noise_error,
        converged=protection.converged,
        destination=redact(copy),
        protected=protection.protected,
        classes=protection.classes,
        shards=len(dataset.shards),
        size=sum(shard.bytes for shard in dataset.shards),
        quarantined=dataset.quarantined,
        reasons=dict(reasons),
        orphans=len(manifest.orphans),
        digest=dataset.digest,
        software=protection.software,
    )


def quarantine_reasons(workspace: Folder, copy: str) -> dict[str, int]:
    """How many samples of a copy's source were quarantined for which reason, the most frequent first.

    Empty when another workspace made the copy. Raises StorageError.
    """
    job = workspace.load("job.json", Job)
    if job is None or Folder(job.destination).identity() != Folder(copy).identity():
        return {}
    data = workspace.read_optional(f"dataset/{QUARANTINE}")
    if data is None:
        return {}
    counts = pd.read_parquet(io.BytesIO(data), columns=["reason"])["reason"].value_counts(sort=True)
    return {str(reason): int(count) for reason, count in counts.items()}


def require_distinct(copies: Sequence[ProtectedSet]) -> None:
    """Raise ConfigurationError when two copies would carry the same name in the report."""
    names = [(each.method, each.form, each.epsilon, each.fraction, each.variant) for each in copies]
    if len(set(names)) < len(names):
        problem = "two of the protected copies have the same method, form, epsilon, fraction and variant"
        raise ConfigurationError(problem, "evaluate them one by one: a report could not tell them apart")


def psnr(squared_change: int, values: int) -> float | None:
    """Peak signal-to-noise ratio in dB of pictures with so many `values`; None when nothing changed.

    `squared_change` sums squares of changes in steps of 1/255.
    """
    return None if squared_change == 0 else 10 * math.log10(255**2 * values / squared_change)


def name_of(spec: SourceSpec) -> str:
    """A short name for a dataset: the last part of its URL that says something."""
    url = spec.url.split("?")[0].rstrip("/")
    name = url.removeprefix("torchvision://").rsplit("/", 1)[-1]
    return name if name not in {"", ".", ".."} and "*" not in name else url
