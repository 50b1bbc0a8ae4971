"""The audit of a destination: what is stored, byte for byte, against the source it was made from."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2

from infra import progress
from infra.errors import DataError, one_line
from infra.storage import Folder, sha256
from schemas.dataset import DatasetManifest, ShardRecord, ShardUnit, SourceSpec
from schemas.noise import NoiseBudget
from schemas.protect import ProtectedManifest
from tasks.noise.budget import exceeds
from tasks.rewrite.shard import CARD, MANIFEST
from tasks.rewrite.similarity import Similarity
from tasks.shard import source
from tasks.shard.pictures import PictureError, decode, is_sound
from tasks.shard.samples import Sample
from tasks.shard.sources import webdataset

_MOST_PROBLEMS = 100


@dataclass
class Audit:
    """What an audit found. Changes in steps of 1/255; `max_l2` is the largest norm of a picture's change.

    `l2` sums each picture's norm, values in [0, 1]. `values` counts those of the changed pictures alone, and
    `similarity` is over them: pictures that carry no noise say nothing of how visible it is. It is None where it is
    not measured.
    """

    samples: int = 0
    changed: int = 0
    max_abs_change: int = 0
    squared_change: int = 0
    values: int = 0
    l2: float = 0.0
    max_l2: float = 0.0
    problems: list[str] = field(default_factory=list)
    dropped: int = 0
    similarity: Similarity | None = None

    def problem(self, text: str) -> None:
        """Add a problem; beyond a hundred they are only counted."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(one_line(text))
        else:
            self.dropped += 1

    def all_problems(self) -> tuple[str, ...]:
        """The problems, and how many more there are."""
        more = (f"and {self.dropped} more problems",) if self.dropped else ()
        return (*self.problems, *more)


def manifest_of(destination: Folder) -> ProtectedManifest:
    """manifest.json of a destination. Raises DataError when there is none."""
    manifest = destination.load(MANIFEST, ProtectedManifest)
    if manifest is None:
        problem = f"{destination.url} has no {MANIFEST}: it is no destination, or its protection is not finished"
        raise DataError(problem, "run protect again; finished shards are not done twice")
    return manifest


def clean_spec(clean: SourceSpec, manifest: ProtectedManifest) -> SourceSpec:
    """The source as it was when protected: the manifest's split and shard size, whatever `clean` says.

    Limit and label field are the manifest's where `clean` gives none.
    """
    made = manifest.dataset.source
    update = {
        "split": made.split,
        "limit": clean.limit or made.limit,
        "shard_size": made.shard_size,
        "label_field": clean.label_field or made.label_field,
    }
    return clean.model_copy(update=update)


def audit(destination: Folder, clean: SourceSpec, ssim: bool = False) -> Audit:
    """Compare every stored sample with the original: budget, keys, order, labels, other members, counts, hashes.

    With `ssim` structural similarity is measured too, over a bounded sample of the changed pictures. Raises DataError
    when either side is no dataset, StorageError when one can't be read.
    """
    manifest = manifest_of(destination)
    spec = clean_spec(clean, manifest)
    found = Audit(similarity=Similarity(manifest.protection.protected) if ssim else None)
    shards = {shard.name: shard for shard in manifest.dataset.shards}
    units = source.plan(spec).units
    progress.start("verify", len(units), "shards")
    for unit in units:
        before = found.samples
        _audit_shard(found, destination, manifest, spec, unit, shards.pop(unit.name, None))
        progress.advance("verify", 1, unit.name, found.samples - before)
    progress.finish("verify")
    stated = manifest.protection.protected
    if found.changed > stated:
        found.problem(f"{found.changed} pictures differ from the source, the manifest says that {stated} carry noise")
    for name in shards:
        found.problem(f"shard {name} has no counterpart in the source")
    _audit_licence(found, destination, manifest)
    carried = {one.name for one in manifest.licence.files}
    known = {shard.url for shard in manifest.dataset.shards} | {MANIFEST, CARD} | carried
    for name in destination.list():
        if name not in known:
            found.problem(f"{name} lies in the destination, but its manifest does not name it")
    return found


def _audit_licence(found: Audit, destination: Folder, manifest: ProtectedManifest) -> None:
    for one in manifest.licence.files:
        data = destination.read_optional(one.name)
        if data is None or sha256(data) != one.sha256:
            found.problem(f"{one.name}, which holds the source's licence, is missing or not as its manifest records it")


def _audit_shard(
    found: Audit,
    destination: Folder,
    manifest: ProtectedManifest,
    spec: SourceSpec,
    unit: ShardUnit,
    record: ShardRecord | None,
) -> None:
    originals = [one for one in source.read(spec, unit) if isinstance(one, Sample)]
    if record is None:
        if any(is_sound(one.picture, spec.max_pixels) for one in originals):
            found.problem(f"shard {unit.name} of the source is not in the destination")
        return
    stored = list(_stored(found, destination, manifest.dataset, record))
    _audit_counts(found, record, stored)
    by_key = {one.key: one for one in stored}
    expected = [one for one in originals if one.key in by_key or is_sound(one.picture, spec.max_pixels)]
    for one in expected:
        if one.key not in by_key:
            found.problem(f"sample {one.key} of shard {unit.name} is not in the destination")
    strangers = by_key.keys() - {one.key for one in originals}
    for key in sorted(strangers):
        found.problem(f"sample {key} of shard {record.name} is not in the source")
    order = [one.key for one in expected if one.key in by_key]
    if order != [one.key for one in stored if one.key not in strangers]:
        found.problem(f"the samples of shard {record.name} are not in the source's order")
    for one in expected:
        if one.key in by_key:
            _audit_sample(found, one, by_key[one.key], manifest.protection.budget, spec.max_pixels)


def _audit_counts(found: Audit, record: ShardRecord, stored: list[Sample]) -> None:
    if len(stored) != record.samples:
        found.problem(f"shard {record.name} holds {len(stored)} samples, its manifest says {record.samples}")
    elif dict(Counter(one.label for one in stored)) != record.class_counts:
        found.problem(f"shard {record.name} holds other numbers of samples by class than its manifest says")


def _stored(found: Audit, destination: Folder, dataset: DatasetManifest, record: ShardRecord) -> Iterator[Sample]:
    data = destination.read_optional(record.url)
    if data is None:
        found.problem(f"shard {record.name} is missing")
        return
    if len(data) != record.bytes or sha256(data) != record.sha256:
        found.problem(f"shard {record.name} is not the one its manifest records: size or hash differs")
    unit = ShardUnit(name=record.name, url=destination.object_url(record.url), in_place=True, fingerprint="")
    try:
        for one in webdataset.read_bytes(dataset.source, unit, data):
            if isinstance(one, Sample):
                yield one
            else:
                found.problem(f"sample {one.key} of shard {record.name}: {one.reason}")
    except DataError as error:
        found.problem(error.problem)


def _audit_sample(found: Audit, original: Sample, stored: Sample, budget: NoiseBudget, max_pixels: int) -> None:
    found.samples += 1
    if original.label != stored.label:
        found.problem(f"sample {original.key} has label {stored.label}, the source {original.label}")
    if _others(original) != _others(stored):
        found.problem(f"sample {original.key} has other members than in the source, or other bytes in them")
    try:
        before, after = decode(original.picture, max_pixels), decode(stored.picture, max_pixels)
    except PictureError as error:
        found.problem(f"sample {original.key} does not decode: {error}")
        return
    if before.shape != after.shape:
        found.problem(f"sample {original.key} has another size than in the source")
        return
    change = int(cv2.absdiff(before, after).max(initial=0))
    squares = round(cv2.norm(before, after, cv2.NORM_L2SQR))
    if change:
        found.changed += 1
        found.values += before.size
        if found.similarity:
            found.similarity.add(before, after)
    found.max_abs_change = max(found.max_abs_change, change)
    found.squared_change += squares
    norm = math.sqrt(squares)
    found.l2 += norm / 255
    found.max_l2 = max(found.max_l2, norm)
    if exceeds(change, squares, budget):
        by = f"an L2 norm of {norm:.1f}" if budget.norm == "l2" else f"{change}"
        found.problem(f"sample {original.key} is changed by {by}/255, more than the budget of {budget.epsilon}/255")


def _others(sample: Sample) -> list[tuple[int, str, bytes]]:
    """All members but the picture, with their places."""
    return [(i, name, data) for i, (name, data) in enumerate(sample.parts) if i != sample.image]
