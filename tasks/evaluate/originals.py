"""A protected copy beside the source it was made from, shard by shard, with nothing kept in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from infra.errors import DataError
from infra.storage import Folder
from schemas.base import digest
from schemas.dataset import DatasetManifest, ShardUnit, SourceSpec
from tasks.rewrite.audit import clean_spec, manifest_of
from tasks.shard import source
from tasks.shard.pictures import PictureError, decode
from tasks.shard.samples import Sample


@dataclass(frozen=True)
class Side:
    """One of the two: its source, its units by shard name, and the class index by label as written in it."""

    spec: SourceSpec
    units: dict[str, ShardUnit]
    classes: dict[str, int]

    def samples(self, shard: str) -> Iterator[Sample]:
        """All samples of a shard, in order. Raises DataError when it is damaged or not there, StorageError."""
        unit = self.units.get(shard)
        if unit is None:
            raise DataError(f"{self.spec.url} has no shard {shard}", "run verify, then protect again")
        for one in source.read(self.spec, unit):
            if isinstance(one, Sample):
                yield one

    def decoded(self, sample: Sample) -> np.ndarray:
        """The pixels of a sample as stored, uint8 [H, W, 3]. Raises DataError."""
        try:
            return decode(sample.picture, self.spec.max_pixels)
        except PictureError as error:
            problem = f"sample {sample.source} does not decode: {error}"
            raise DataError(problem, "run verify, then protect again") from error

    def class_of(self, sample: Sample) -> int:
        """Its class index. Raises DataError when its label is that of no class."""
        if sample.label not in self.classes:
            problem = f'sample {sample.source} has the label "{sample.label}", which is no class of the protected copy'
            raise DataError(problem, "run verify, then protect again")
        return self.classes[sample.label]

    def identity(self) -> str:
        """Digest of where it lies and how; changes when the stored bytes do."""
        return digest(self.spec, [unit.model_dump(mode="json") for unit in self.units.values()])


@dataclass(frozen=True)
class Both:
    """A copy, as stored, and its originals."""

    manifest: DatasetManifest
    stored: Side
    clean: Side

    def originals(self, shard: str) -> Iterator[Sample]:
        """The originals of a shard's samples, in the same order. Raises DataError when one is missing."""
        wanted = self._keys(shard)
        found = (one for one in self.clean.samples(shard) if wanted is None or one.key in wanted)
        yield from _counted(found, shard, self.samples_of(shard), self.clean.spec.url)

    def pairs(self, shard: str) -> Iterator[tuple[Sample, Sample]]:
        """Each sample of a shard as stored, and its original. Raises DataError when they don't go together."""
        for stored, original in zip(self.copies(shard), self.originals(shard), strict=True):
            if stored.key != original.key:
                problem = f"sample {stored.key} of shard {shard} does not stand at its place in {self.clean.spec.url}"
                raise DataError(problem, "give the source that the copy was made from, and run verify")
            yield stored, original

    def copies(self, shard: str) -> Iterator[Sample]:
        """A shard's samples as stored. Raises DataError when there are fewer or more than its manifest says."""
        yield from _counted(self.stored.samples(shard), shard, self.samples_of(shard), self.stored.spec.url)

    def samples_of(self, shard: str) -> int:
        """How many samples a shard of the copy has. Raises KeyError when it has no such shard."""
        return {record.name: record.samples for record in self.manifest.shards}[shard]

    def changed(self, shard: str) -> np.ndarray:
        """Which of a shard's samples carry noise in their stored pixels: bool [N], in their order."""
        pairs = ((self.stored.decoded(one), self.clean.decoded(other)) for one, other in self.pairs(shard))
        return np.array([not np.array_equal(one, other) for one, other in pairs], dtype=np.bool_)

    def examples(self, most: int) -> list[tuple[Sample, Sample]]:
        """The first sample of each of the first `most` classes that have any, as stored, and its original.

        Shards in which no such class is left are not read.
        """
        counts = {label for record in self.manifest.shards for label, count in record.class_counts.items() if count}
        wanted = [label for label in self.manifest.labels if label in counts][:most]
        found: dict[str, tuple[Sample, Sample]] = {}
        for record in self.manifest.shards:
            if {label for label in wanted if label not in found} & record.class_counts.keys():
                for stored, original in self.pairs(record.name):
                    found.setdefault(stored.label, (stored, original))
        return [found[label] for label in wanted]

    def one_of_each(self, shard: str, most: int) -> list[tuple[Sample, Sample]]:
        """The first sample of each of the first `most` classes met in a shard, as stored, and its original."""
        found: dict[str, tuple[Sample, Sample]] = {}
        for stored, original in self.pairs(shard):
            if len(found) < most:
                found.setdefault(stored.label, (stored, original))
        return list(found.values())

    def _keys(self, shard: str) -> frozenset[str] | None:
        """The keys of a shard's samples; None when every sample of the source was fit to be protected."""
        return frozenset(one.key for one in self.stored.samples(shard)) if self.manifest.quarantined else None


def both(copy: str, clean: SourceSpec) -> Both:
    """A protected copy at the URL `copy` and the source it was made from. Raises DataError, StorageError."""
    manifest = manifest_of(Folder(copy))
    names = manifest.dataset.class_names
    stored = stored_spec(copy, manifest.dataset)
    return Both(manifest.dataset, _side(stored, names), _side(clean_spec(clean, manifest), names))


def stored_spec(copy: str, manifest: DatasetManifest) -> SourceSpec:
    """The copy as a source: its manifest tells the split, and where label and picture are."""
    return manifest.source.model_copy(update={"url": copy, "limit": None})


def _side(spec: SourceSpec, class_names: tuple[str, ...]) -> Side:
    planned = source.plan(spec)
    index = {name: i for i, name in enumerate(class_names)}
    stated = {str(i): name for i, name in enumerate(planned.class_names or ())} or {name: name for name in class_names}
    classes = {label: index[name] for label, name in stated.items() if name in index}
    return Side(spec, {unit.name: unit for unit in planned.units}, classes)


def _counted(found: Iterator[Sample], shard: str, expected: int, url: str) -> Iterator[Sample]:
    count = 0
    for one in islice(found, expected + 1):
        count += 1
        if count <= expected:
            yield one
    if count != expected:
        than = "fewer" if count < expected else "more"
        problem = f"shard {shard} of {url} has {than} than the {expected} samples that the protected copy states"
        raise DataError(problem, "give the source that the copy was made from, and run verify")
