"""What makes a folder of shards a dataset: its manifest and its card, and nothing else beside them."""

from collections.abc import Collection, Sequence
from importlib.metadata import version

from infra.errors import StorageError
from infra.storage import Folder, encoded
from schemas.dataset import DatasetManifest, ShardRecord, SourceSpec
from schemas.fitted import NoiseRecord
from schemas.protect import Job, ProtectConfig, ProtectedManifest, ProtectedShard, ProtectionRecord
from tasks.rewrite.card import card
from tasks.rewrite.shard import CARD, MANIFEST
from tasks.rewrite.variant import variant


def publish(
    config: ProtectConfig, job: Job, dataset: DatasetManifest, noise: NoiseRecord, shards: Sequence[ProtectedShard]
) -> ProtectedManifest:
    """Write the card and, last, the manifest; remove what earlier runs of this job left and no longer holds."""
    destination = Folder(config.destination)
    protection = _protection(config, noise, shards)
    manifest = ProtectedManifest(job=job.job, dataset=_public(dataset, shards), protection=protection)
    keep = {shard.name for shard in shards} | {MANIFEST, CARD}
    found = destination.list()
    _require_all(destination, shards, found)
    for name in found:
        if name not in keep and name.endswith(".tar") and _is_ours(Folder(config.workspace), name):
            destination.delete(name)
    destination.sweep()
    text = card(manifest).encode()
    if destination.read_optional(CARD) != text:  # a run that finds all done leaves what is published untouched
        destination.write(CARD, text)
    if destination.read_optional(MANIFEST) != encoded(manifest):
        destination.save(MANIFEST, manifest)
    return manifest


def _require_all(destination: Folder, shards: Sequence[ProtectedShard], found: Collection[str]) -> None:
    """Raise StorageError when a shard that is done is not there: a node may have written it to a disk of its own."""
    lost = [shard.name for shard in shards if shard.name not in found]
    if lost:
        problem = f"{len(lost)} of {len(shards)} shards are done and not in {destination.url}, such as {lost[0]}"
        raise StorageError(problem, "give a place that all machines of the run share, and run it again")


def _is_ours(workspace: Folder, shard: str) -> bool:
    """True for a shard that this job has written or was about to; what else lies there is somebody's."""
    return any(workspace.info(f"{place}/{shard}.json") is not None for place in ("rewrite", "dataset/index"))


def _public(dataset: DatasetManifest, shards: Sequence[ProtectedShard]) -> DatasetManifest:
    """The dataset as the world sees it: its own shards, and no word of where the originals lie."""
    sizes = {record.name: record.sizes for record in dataset.shards}
    records = tuple(
        ShardRecord(
            name=shard.name,
            url=shard.name,
            samples=shard.samples,
            bytes=shard.bytes,
            sha256=shard.sha256,
            class_counts=shard.class_counts,
            sizes=sizes[shard.source],
        )
        for shard in shards
    )
    old = dataset.source
    source = SourceSpec(
        url=".",
        split=old.split,
        format="webdataset",
        label_field=old.label_field if dataset.format == "webdataset" else None,
        image_field=_png(old.image_field) if dataset.format == "webdataset" else None,
        limit=old.limit,
        shard_size=old.shard_size,
    )
    return DatasetManifest(
        source=source,
        format="webdataset",
        class_names=dataset.class_names,
        labels=dataset.labels,
        shards=records,
        quarantined=dataset.quarantined,
    )


def _png(field: str | None) -> str | None:
    """Name of the protected picture's member: the original's with `png` for its last extension."""
    return None if field is None else ".".join([*field.split(".")[:-1], "png"])


def _protection(config: ProtectConfig, noise: NoiseRecord, shards: Sequence[ProtectedShard]) -> ProtectionRecord:
    return ProtectionRecord(
        method=config.method.kind,
        form=config.method.form,
        norm=config.budget.norm,
        epsilon=config.budget.epsilon,
        variant=variant(config),
        noise_error=noise.error,
        converged=None if noise.stopped == "no-fit" else noise.converged,
        fraction=config.coverage.fraction,
        classes=config.coverage.classes,
        protected=sum(shard.protected for shard in shards),
        max_abs_change=max((shard.max_abs_change for shard in shards), default=0),
        software=f"unlearnable {version('unlearnable')}",
    )
