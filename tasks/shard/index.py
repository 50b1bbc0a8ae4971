"""Index shards, and merge the indices into the manifest of a dataset.

Here each picture is decoded once in the strict way, so that later stages may trust it.
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from infra.errors import DataError, one_line
from infra.storage import Folder, fingerprint, sha256
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
from tasks.shard.sources.listing import locate
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
    tally, etag = _Tally(unit, spec), None
    if unit.in_place:
        data = webdataset.fetch(unit)
        _require_unchanged(unit)
        for _ in tally.good(webdataset.read_bytes(spec, unit, data)):
            pass
        record = tally.record(unit.url, data, tuple(bad.position for bad in tally.bad))
    else:
        data = build((sample.key, sample.parts) for sample in tally.good(source.read(spec, unit)))
        name = f"shards/{unit.name}"
        dataset.write(name, data)
        record = tally.record(dataset.object_url(name), data, ())
        etag = (dataset.info(name) or {}).get("ETag")
    return ShardIndex(inputs=inputs, unit=unit, record=record, bad=tuple(tally.bad), etag=etag)


def _require_unchanged(unit: ShardUnit) -> None:
    """Raise DataError when a shard is no longer the one that was listed: its marker would name other bytes.

    Told by what a listing and a look at one object both give: an ETag, or size and time on a disk.
    """
    folder, name = locate(unit.url)
    info = folder.info(name)
    comparable = folder.is_local or (info is not None and "ETag" in info and unit.fingerprint.startswith("etag "))
    if info is None or (comparable and fingerprint(info) != unit.fingerprint):
        raise DataError(f"shard {unit.url} changed while it was read", "run it again when nobody writes there")


def lost(plan: SourcePlan, dataset: Folder) -> list[ShardIndex]:
    """Indices of the source's own shards that earlier runs found and that are no longer there."""
    return [each for each in _unplanned(plan, dataset) if _is_lost(each)]


def gone(plan: SourcePlan, dataset: Folder) -> list[ShardIndex]:
    """What `lost` gives, and shards that we cut and that the plan does not name are removed.

    They are cut anew when their pictures change, or not asked for now (a limit, another split). Their markers stay
    until their copies are removed, for they tell whose these are.
    """
    found: list[ShardIndex] = []
    for each in _unplanned(plan, dataset):
        if _is_lost(each):
            found.append(each)
        else:
            dataset.delete(f"shards/{each.unit.name}")
    return found


def _unplanned(plan: SourcePlan, dataset: Folder) -> list[ShardIndex]:
    planned = {f"{unit.name}.json" for unit in plan.units}
    others = [name for name in dataset.child("index").list() if name not in planned]
    loaded = [dataset.load(f"index/{name}", ShardIndex) for name in others]
    return [each for each in loaded if each is not None]


def named(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(one_line, names[:_SHOWN])) + more


def _is_lost(index: ShardIndex) -> bool:
    if not index.unit.in_place:
        return False
    folder, name = locate(index.unit.url)
    return folder.info(name) is None


def merge(
    spec: SourceSpec, plan: SourcePlan, indices: Sequence[ShardIndex], lost: Sequence[ShardIndex] = ()
) -> DatasetManifest:
    """The manifest of all indexed units, in their order; shards without a good sample are left out.

    `lost` are indices of shards that are no longer in the source: it names them, and keeps the classes that only they
    had, since the noise of all others depends on the classes there are.

    Raises DataError when there are too many bad samples, none at all, or one class only.
    """
    shards = tuple(index.record for index in indices if index.record.samples)
    bad = [sample for index in indices for sample in index.bad]
    _require_enough(spec, sum(shard.samples for shard in shards), bad)
    found = {label for shard in shards for label in shard.class_counts}
    if len(found) < 2:
        problem = f"all samples of {spec.url} have one class ({found.pop()}): a victim has nothing to tell apart"
        raise DataError(problem, "give a dataset of two classes or more, or raise the limit")
    known = found | {label for each in lost for label in each.record.class_counts}
    labels = ordered(known) if plan.class_names is None else tuple(str(i) for i in range(len(plan.class_names)))
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
        gone=tuple(each.unit.name for each in lost),
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
