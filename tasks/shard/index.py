"""Index shards, and merge the indices into the manifest of a dataset.

Here each picture is decoded once in the strict way, so that later stages may trust it.
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from infra.errors import DataError, one_line
from infra.storage import Folder, sha256
from schemas.dataset import (
    BadSample,
    DatasetManifest,
    ShardIndex,
    ShardRecord,
    ShardUnit,
    SizeRange,
    SourcePlan,
    SourceSpec,
)
from tasks.shard import source
from tasks.shard.labels import ordered
from tasks.shard.pictures import PictureError, check
from tasks.shard.samples import Reject, Sample
from tasks.shard.sources import webdataset
from tasks.shard.tar import build

QUARANTINE = "quarantine.parquet"
_COLUMNS = ["shard", "position", "key", "source", "reason"]
_LONGEST = 200
_SHOWN = 3


class _Tally:
    """What is known of a unit's samples so far."""

    def __init__(self, unit: ShardUnit, spec: SourceSpec):
        self.unit, self.spec = unit, spec
        self.counts: Counter[str] = Counter()
        self.heights: list[int] = []
        self.widths: list[int] = []
        self.bad: list[BadSample] = []

    def good(self, samples: Iterable[Sample | Reject]) -> Iterator[Sample]:
        """The samples with a label and a picture that decodes in full; all others are noted as bad."""
        for position, sample in enumerate(samples):
            if isinstance(sample, Reject):
                self._note(position, sample.key, sample.source, sample.reason)
                continue
            try:
                height, width = check(sample.picture, self.spec.max_pixels)
            except PictureError as error:
                self._note(position, sample.key, sample.source, str(error))
                continue
            self.counts[sample.label] += 1
            self.heights.append(height)
            self.widths.append(width)
            yield sample

    def record(self, url: str, data: bytes, bad_positions: tuple[int, ...]) -> ShardRecord:
        """The record of the shard whose stored bytes are `data`."""
        return ShardRecord(
            name=self.unit.name,
            url=url,
            samples=len(self.heights),
            bytes=len(data),
            sha256=sha256(data),
            class_counts=dict(sorted(self.counts.items())),
            sizes=self._sizes(),
            bad_positions=bad_positions,
        )

    def _sizes(self) -> SizeRange | None:
        if not self.heights:
            return None
        return SizeRange(
            min_height=min(self.heights),
            max_height=max(self.heights),
            min_width=min(self.widths),
            max_width=max(self.widths),
        )

    def _note(self, position: int, key: str, origin: str, reason: str) -> None:
        self.bad.append(
            BadSample(
                shard=self.unit.name,
                position=position,
                key=one_line(key)[:_LONGEST],
                source=one_line(origin),
                reason=one_line(reason),
            )
        )


def make_index(spec: SourceSpec, unit: ShardUnit, dataset: Folder, inputs: str) -> ShardIndex:
    """Index one unit; one that is not in place is written to `dataset` as shards/NAME first.

    `inputs` is the digest that the index carries as a done-marker. One shard is held in memory.
    Raises DataError for a damaged shard, StorageError.
    """
    tally = _Tally(unit, spec)
    if unit.in_place:
        data = webdataset.fetch(unit)
        for _ in tally.good(webdataset.read_bytes(spec, unit, data)):
            pass
        record = tally.record(unit.url, data, tuple(bad.position for bad in tally.bad))
    else:
        data = build((sample.key, sample.parts) for sample in tally.good(source.read(spec, unit)))
        name = f"shards/{unit.name}"
        dataset.write(name, data)
        record = tally.record(dataset.object_url(name), data, ())
    return ShardIndex(inputs=inputs, unit=unit, record=record, bad=tuple(tally.bad))


def merge(spec: SourceSpec, plan: SourcePlan, indices: Sequence[ShardIndex]) -> DatasetManifest:
    """The manifest of all indexed units, in their order; shards without a good sample are left out.

    Raises DataError when there are too many bad samples, none at all, or one class only.
    """
    shards = tuple(index.record for index in indices if index.record.samples)
    bad = [sample for index in indices for sample in index.bad]
    _require_enough(spec, sum(shard.samples for shard in shards), bad)
    found = {label for shard in shards for label in shard.class_counts}
    if len(found) < 2:
        problem = f"all samples of {spec.url} have one class ({found.pop()}): a victim has nothing to tell apart"
        raise DataError(problem, "give a dataset of two classes or more, or raise the limit")
    labels = ordered(found) if plan.class_names is None else tuple(str(i) for i in range(len(plan.class_names)))
    strange = sorted(found - set(labels))
    if strange:
        problem = f"{spec.url} has labels that are no class: {', '.join(strange[:_SHOWN])}"
        raise DataError(problem, f"write labels from 0 to {len(labels) - 1}")
    return DatasetManifest(
        source=spec,
        format=plan.format,
        class_names=labels if plan.class_names is None else plan.class_names,
        labels=labels,
        shards=shards,
        quarantined=len(bad),
    )


def write_quarantine(dataset: Folder, indices: Iterable[ShardIndex]) -> None:
    """Write `dataset`/quarantine.parquet: a row for each bad sample, sorted; written even when there is none."""
    rows = [bad.model_dump(include=set(_COLUMNS)) for index in indices for bad in index.bad]
    frame = pd.DataFrame(rows, columns=pd.Index(_COLUMNS))
    types = {name: "int64" if name == "position" else "string" for name in _COLUMNS}
    frame = frame.astype(types).sort_values(["shard", "position"], ignore_index=True)
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    dataset.write(QUARANTINE, stream.getvalue())


def _require_enough(spec: SourceSpec, good: int, bad: Sequence[BadSample]) -> None:
    total = good + len(bad)
    reasons = "; ".join(f"{sample.key}: {sample.reason}" for sample in bad[:_SHOWN])
    if bad and len(bad) > spec.max_bad_share * total:
        problem = f"{len(bad)} of {total} samples of {spec.url} are bad ({reasons})"
        mend = f"see dataset/{QUARANTINE}, then mend the samples or raise --max-bad-share"
        raise DataError(problem, mend)
    if good == 0:
        why = f" ({reasons})" if reasons else ""
        raise DataError(f"{spec.url} has no good sample{why}", "check the URL, the split and the label field")
