"""One shard rewritten: read, protect, check, publish whole, mark as done."""

import time
from dataclasses import dataclass
from typing import Any

from infra.devices import pick_device
from infra.errors import StorageError
from infra.keys import BucketKey
from infra.storage import Folder, sha256
from schemas.base import digest
from schemas.dataset import DatasetManifest, ShardRecord
from schemas.fitted import NoiseRecord
from schemas.matching import Mapping
from schemas.protect import ProtectConfig, ProtectedShard
from tasks.noise import method as methods
from tasks.noise import store
from tasks.noise.fitted import NoiseSource, NoiseSpec
from tasks.noise.method import MakesNoise
from tasks.rewrite.coverage import covered
from tasks.rewrite.protect import Plan, Protected, chunk_length, protect
from tasks.shard.load import read_shard
from tasks.shard.samples import Sample
from tasks.shard.tar import build

VERSION = 2
MANIFEST = "manifest.json"
CARD = "README.md"


@dataclass(frozen=True)
class Job:
    """All that rewriting any shard of a dataset needs."""

    config: ProtectConfig
    dataset: DatasetManifest
    mapping: Mapping
    noise: NoiseRecord
    key: BucketKey

    @property
    def workspace(self) -> Folder:
        """The private place."""
        return Folder(self.config.workspace)

    @property
    def destination(self) -> Folder:
        """The place to publish."""
        return Folder(self.config.destination)

    def inputs_of(self, shard: ShardRecord) -> str:
        """Digest of all that shapes one protected shard."""
        source = self.dataset.source
        return digest(
            VERSION,
            [shard.name, shard.sha256, list(shard.bad_positions), source.label_field, source.image_field],
            [list(self.dataset.class_names), list(self.dataset.labels)],
            [match.public for match in self.mapping.matches],
            *_shared(self.config, self.noise),
        )

    @property
    def settings(self) -> str:
        """What `settings_of` gives for it."""
        return settings_of(self.config, self.noise)


def settings_of(config: ProtectConfig, noise: NoiseRecord) -> str:
    """Digest of what is the same for all shards of a job: the noise, the key, and how the noise is applied."""
    return digest(VERSION, *_shared(config, noise))


def _shared(config: ProtectConfig, noise: NoiseRecord) -> tuple[Any, ...]:
    how = (config.coverage, config.budget, config.application)
    return (noise.inputs, noise.tensors_sha256, *how, noise.key_fingerprint)


def marker_of(shard: ShardRecord) -> str:
    """Name of a shard's done-marker in the workspace."""
    return f"rewrite/{shard.name}.json"


def finished(job: Job, shard: ShardRecord) -> ProtectedShard | None:
    """What `done` gives; what was learnt on the way is kept, as proof enough next time."""
    kept = job.workspace.load(marker_of(shard), ProtectedShard)
    known = _as_stored(job, shard, kept)
    if known is not None and known != kept:
        job.workspace.save(marker_of(shard), known)
    return known


def done(job: Job, shard: ShardRecord) -> ProtectedShard | None:
    """The marker of a shard that is done: for exactly these inputs, its object there with its size and hash.

    It writes nothing.
    """
    return _as_stored(job, shard, job.workspace.load(marker_of(shard), ProtectedShard))


def _as_stored(job: Job, shard: ShardRecord, marker: ProtectedShard | None) -> ProtectedShard | None:
    if marker is None or marker.inputs != job.inputs_of(shard):
        return None
    info = job.destination.unchanged(marker.name, marker.bytes, marker.sha256, marker.etag)
    if info is None:
        return None
    # Another ETag (of a copy of the bucket, say) will do, and markers of earlier versions lack settings.
    return marker.model_copy(update={"etag": info.get("ETag"), "settings": job.settings})


def make_perturber(config: ProtectConfig, noise: NoiseRecord, key: BucketKey) -> MakesNoise:
    """What makes noise for any shard of a job, on the job's device."""
    tensors = store.load(Folder(config.noise_place), noise)
    classes, device = len(noise.class_names), pick_device(config.device)
    spec = NoiseSpec(noise.method, config.budget, config.application, key)
    return methods.perturber(NoiseSource(spec, tensors, classes, noise.working_size, device))


def rewrite(job: Job, shard: ShardRecord, noise: MakesNoise) -> ProtectedShard:
    """Rewrite one shard and mark it as done. Same input, key and kind of device: same bytes.

    Raises DataError or StorageError; the destination then has the old shard, or none, never a part of one.
    """
    started = time.perf_counter()
    area = shard.sizes.max_height * shard.sizes.max_width if shard.sizes else 1
    done: list[Protected] = []
    samples: list[tuple[str, tuple[tuple[str, bytes], ...]]] = []
    for one in protect(read_shard(job.dataset, shard), _plan(job, shard, noise), chunk_length(area)):
        samples.append((one.key, one.parts))
        done.append(one)
    data = build(samples)
    if job.destination.info(MANIFEST) is not None:
        job.destination.delete(MANIFEST)  # it describes shards that are about to change
    job.destination.write(shard.name, data)
    stored = _check_stored(job, shard.name, data)
    marker = ProtectedShard(
        inputs=job.inputs_of(shard),
        settings=job.settings,
        source=shard.name,
        name=shard.name,
        samples=len(done),
        protected=sum(one.covered for one in done),
        max_abs_change=max((one.max_abs_change for one in done), default=0),
        squared_change=sum(one.squared_change for one in done),
        values=sum(one.values for one in done),
        class_counts=_counts(done),
        bytes=len(data),
        sha256=sha256(data),
        etag=stored.get("ETag"),
        seconds=time.perf_counter() - started,
    )
    job.workspace.save(marker_of(shard), marker)
    return marker


def _plan(job: Job, shard: ShardRecord, noise: MakesNoise) -> Plan:
    public = job.mapping.public_indices(job.noise.class_names)
    names = dict(zip(job.dataset.labels, job.dataset.class_names, strict=True))

    def identity(sample: Sample) -> str:
        return f"{shard.name}/{sample.key}"

    def noise_class(sample: Sample) -> int | None:
        name = names[sample.label]
        return public[name] if covered(job.config.coverage, identity(sample), name, job.key) else None

    max_pixels = job.dataset.source.max_pixels
    return Plan(noise, job.config.budget, job.noise.working_size, max_pixels, noise_class, identity)


def _counts(done: list[Protected]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in done:
        counts[one.label] = counts.get(one.label, 0) + 1
    return dict(sorted(counts.items()))


def _check_stored(job: Job, name: str, data: bytes) -> dict[str, Any]:
    info = job.destination.info(name)
    if info is None or info.get("size") != len(data):
        url = job.destination.object_url(name)
        raise StorageError(f"{url} was written but is not there in full", "check the place", transient=True)
    return info
