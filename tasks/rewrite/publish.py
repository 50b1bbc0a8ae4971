"""What makes a folder of shards a dataset: its manifest and its card, and nothing else beside them."""

from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from infra.errors import ConfigurationError, DataError, StorageError
from infra.lease import LOCK
from infra.storage import Folder, encoded, sha256
from schemas.card import CarriedFile, Licence, Worth
from schemas.dataset import DatasetManifest, ShardIndex, ShardRecord, SizeRange, SourceSpec
from schemas.fitted import NoiseRecord
from schemas.protect import Job, ProtectConfig, ProtectedManifest, ProtectedShard, ProtectionRecord, Published
from tasks.rewrite.audit import manifest_of
from tasks.rewrite.card import card
from tasks.rewrite.places import written
from tasks.rewrite.shard import CARD, MANIFEST
from tasks.rewrite.variant import variant
from tasks.shard import licence

Listed = Mapping[str, Mapping[str, Any]]
# What runs of this job alone write, one at a time; evaluations write beside them at any time.
_OWN = ("dataset", "public", "match", "rewrite")


def publish(
    config: ProtectConfig, job: Job, dataset: DatasetManifest, noise: NoiseRecord, shards: Sequence[ProtectedShard]
) -> Published:
    """Write the card and, last, the manifest; remove what earlier runs of this job left and no longer holds.

    A protected shard whose source shard is gone stays and is named, unless the job says otherwise.
    """
    destination, workspace = Folder(config.destination), Folder(config.workspace)
    found = destination.list()
    orphans = _orphans(destination, workspace, dataset, found) if config.orphans == "keep" else []
    everything = [*shards, *orphans]
    current = {"", *(shard.settings for shard in shards)}  # markers of earlier versions don't tell
    outdated = [orphan.name for orphan in orphans if orphan.settings not in current]
    before = _before(destination)
    licences = licence.files(config.source.url)
    manifest = ProtectedManifest(
        job=job.job,
        dataset=_public(dataset, everything, _sizes(workspace, dataset)),
        orphans=tuple(shard.name for shard in orphans),
        outdated=tuple(outdated),
        protection=_protection(config, noise, everything, outdated),
        licence=Licence(
            stated=licence.stated(config.source.url),
            files=tuple(
                CarriedFile(name=name, bytes=len(data), sha256=sha256(data)) for name, data in licences.items()
            ),
        ),
    )
    if before is not None and before.worth is not None and before.worth.digest == manifest.dataset.digest:
        manifest = manifest.model_copy(update={"worth": before.worth})
    _require_all(destination, everything, found)
    removed = _remove_others(destination, workspace, found, {shard.name for shard in everything})
    _sweep(config)
    for name, data in licences.items():
        _put(destination, name, data)
    for name in licence.named_so(found) - licences.keys():
        destination.delete(name)  # what the source had before
    _present(destination, manifest)
    return Published(manifest=manifest, removed=removed)


def state_worth(destination: Folder, worth: Worth) -> None:
    """Write what an evaluation found into the card and the manifest of the copy that it evaluated.

    Raises DataError when the copy is not what was evaluated, ConfigurationError while a run writes it.
    """
    if destination.info(LOCK) is not None:
        raise ConfigurationError(f"a run writes {destination.url} now", "wait until it has ended")
    manifest = manifest_of(destination)
    if manifest.dataset.digest != worth.digest:
        problem = f"{destination.url} is not what report {worth.report} is about: its pictures have changed since"
        raise DataError(problem, "evaluate it again")
    _present(destination, manifest.model_copy(update={"worth": worth}))


def _before(destination: Folder) -> ProtectedManifest | None:
    """What was published here before; None when nothing was, or another version can't read it."""
    try:
        return destination.load(MANIFEST, ProtectedManifest)
    except DataError:
        return None


def _present(destination: Folder, manifest: ProtectedManifest) -> None:
    """Write the card and, last, the manifest."""
    _put(destination, CARD, card(manifest).encode())
    _put(destination, MANIFEST, encoded(manifest))


def _put(destination: Folder, name: str, data: bytes) -> None:
    if destination.read_optional(name) != data:  # a run that finds all done leaves what is published untouched
        destination.write(name, data)


def _sweep(config: ProtectConfig) -> None:
    """Remove what killed runs of this job left half written. A noise store that jobs share is left alone."""
    workspace = Folder(config.workspace)
    own = _OWN if config.noise_store else (*_OWN, "noise")
    for place in (Folder(config.destination), *(workspace.child(name) for name in own)):
        place.sweep()


def _orphans(
    destination: Folder, workspace: Folder, dataset: DatasetManifest, found: Collection[str]
) -> list[ProtectedShard]:
    """Markers of protected shards that are there and whose source shard is gone. Raises StorageError."""
    markers = [workspace.load(f"rewrite/{name}.json", ProtectedShard) for name in dataset.gone]
    there = [marker for marker in markers if marker is not None and marker.name in found]
    return [_seen(destination, workspace, marker) for marker in there]


def _seen(destination: Folder, workspace: Folder, orphan: ProtectedShard) -> ProtectedShard:
    """The marker of an orphan with the ETag that its copy has now. Raises StorageError when the copy is damaged."""
    info = destination.unchanged(orphan.name, orphan.bytes, orphan.sha256, orphan.etag)
    if info is None:
        problem = f"{destination.object_url(orphan.name)} is not as it was written, and its source shard is gone"
        raise StorageError(problem, "put back the one or the other, or give --orphans remove")
    seen = orphan.model_copy(update={"etag": info.get("ETag")})
    if seen != orphan:
        workspace.save(f"rewrite/{orphan.source}.json", seen)
    return seen


def _require_all(destination: Folder, shards: Sequence[ProtectedShard], found: Listed) -> None:
    """Raise StorageError when a shard that is done is not there as it was written.

    A node of a cluster may have written it to a disk of its own, or another run may have written over it.
    """
    lost = [shard.name for shard in shards if not _is_as_written(shard, found.get(shard.name))]
    if lost:
        problem = f"{len(lost)} of {len(shards)} shards are done and not in {destination.url}, such as {lost[0]}"
        raise StorageError(problem, "give a place that all machines of the run share, and run it again")


def _is_as_written(shard: ProtectedShard, info: Mapping[str, Any] | None) -> bool:
    if info is None or info.get("size") != shard.bytes:
        return False
    return shard.etag is None or info.get("ETag") in (None, shard.etag)


def _sizes(workspace: Folder, dataset: DatasetManifest) -> dict[str, SizeRange | None]:
    """Picture sizes by name of the source shard, of those that are gone too."""
    earlier = {name: workspace.load(f"dataset/index/{name}.json", ShardIndex) for name in dataset.gone}
    gone = {name: index.record.sizes for name, index in earlier.items() if index is not None}
    return {**gone, **{record.name: record.sizes for record in dataset.shards}}


def _remove_others(destination: Folder, workspace: Folder, found: Collection[str], keep: set[str]) -> tuple[str, ...]:
    """Remove shards that runs of this workspace wrote and that no longer belong there, then their markers.

    The manifest goes before the first of them, and markers after all of them: until then they tell whose shards lie
    there. Gives the names of those that are no more, whoever removed them.
    """
    others = written(workspace) - keep
    removed = [name for name in found if name in others]
    if removed:
        destination.delete(MANIFEST)
    for name in removed:
        destination.delete(name)
    once = [name for name in sorted(others) if workspace.info(f"rewrite/{name}.json") is not None]
    for name in others:
        workspace.delete(f"rewrite/{name}.json")
        workspace.delete(f"dataset/index/{name}.json")
    return tuple(sorted({*removed, *once}))


def _public(
    dataset: DatasetManifest, shards: Sequence[ProtectedShard], sizes: Mapping[str, SizeRange | None]
) -> DatasetManifest:
    """The dataset as the world sees it: its own shards, and no word of where the originals lie."""
    records = tuple(
        ShardRecord(
            name=shard.name,
            url=shard.name,
            samples=shard.samples,
            bytes=shard.bytes,
            sha256=shard.sha256,
            class_counts=shard.class_counts,
            sizes=sizes.get(shard.source),
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


def _protection(
    config: ProtectConfig, noise: NoiseRecord, shards: Sequence[ProtectedShard], outdated: Collection[str]
) -> ProtectionRecord:
    changes = [shard.max_abs_change for shard in shards if shard.name not in outdated]
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
        max_abs_change=max(changes, default=0),
        software=f"unlearnable {version('unlearnable')}",
    )
