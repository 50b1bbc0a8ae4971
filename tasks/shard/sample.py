"""Which samples a fit sees, and at which size: a bounded, stratified sample that needs few shards."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from infra.errors import DataError
from infra.keys import BucketKey
from tasks.nn.batches import FitData
from tasks.shard.load import read_shard
from tasks.shard.pictures import decode
from tasks.shard.scale import to_working

if TYPE_CHECKING:
    from schemas.dataset import DatasetManifest, ShardRecord

LARGEST_WORKING_SIZE = 224


def working_size(manifest: "DatasetManifest", asked: int | None) -> int:
    """Side in pixels at which noise is made: as asked, else a typical one of the dataset's pictures, at most 224."""
    return asked or manifest.typical_side or typical_side(manifest)


def typical_side(manifest: "DatasetManifest") -> int:
    """The median over shards of the side of a square with the middle of the shard's range of areas, from 8 to 224."""
    ranges = [shard.sizes for shard in manifest.shards if shard.sizes is not None]
    sides = [(r.min_height * r.max_height * r.min_width * r.max_width) ** 0.25 for r in ranges]
    return max(8, min(LARGEST_WORKING_SIZE, round(float(np.median(sides)))))


def quotas(counts: Counter[str], samples: int | None) -> Counter[str]:
    """How many samples of each class a fit of about `samples` takes: shares of the whole, at least one; None: all."""
    total = sum(counts.values())
    if samples is None or samples >= total:
        return counts
    return Counter({label: max(1, round(samples * count / total)) for label, count in counts.items()})


def shards_for(manifest: "DatasetManifest", wanted: Counter[str], key: BucketKey) -> list["ShardRecord"]:
    """The first shards, in an order drawn by the key, that together hold what is wanted of each class."""
    left = Counter(wanted)
    chosen: list[ShardRecord] = []
    for shard in sorted(manifest.shards, key=lambda s: key.unit("fit-shards", s.name)):
        if any(left[label] > 0 for label in shard.class_counts):
            chosen.append(shard)
            left.subtract(shard.class_counts)
    return chosen


def counts(manifest: "DatasetManifest", classes: Collection[str] | None = None) -> Counter[str]:
    """Samples by label as written, of `classes` (names; None: all)."""
    found: Counter[str] = Counter()
    for shard in manifest.shards:
        found.update(shard.class_counts)
    if classes is None:
        return found
    names = {label: manifest.class_names[manifest.class_index(label)] for label in found}
    return Counter({label: count for label, count in found.items() if names[label] in classes})


def load(
    manifest: "DatasetManifest",
    size: int,
    samples: int | None,
    key: BucketKey,
    device: torch.device,
    classes: Collection[str] | None = None,
) -> FitData:
    """About `samples` pictures (None: all) of every class, or of `classes`, at the working size, on `device`.

    Raises DataError when the dataset holds none.
    """
    wanted = quotas(counts(manifest, classes), samples)
    taken = list(_take(manifest, shards_for(manifest, wanted, key), wanted, size))
    if not taken:
        raise DataError(f"{manifest.source.url} holds no picture to fit noise on", "check the dataset")
    images = torch.from_numpy(np.stack([picture for picture, _, _ in taken]))
    labels = torch.tensor([label for _, label, _ in taken])
    keys = tuple(sample_key for _, _, sample_key in taken)
    return FitData(images.to(device), labels.to(device), keys, len(manifest.class_names))


def _take(
    manifest: "DatasetManifest", shards: Iterable["ShardRecord"], wanted: Counter[str], size: int
) -> Iterator[tuple[np.ndarray, int, str]]:
    left = Counter(wanted)
    for shard in shards:
        for sample in read_shard(manifest, shard):
            if left[sample.label] > 0:
                left[sample.label] -= 1
                picture = to_working(decode(sample.picture, manifest.source.max_pixels), size)
                yield picture, manifest.class_index(sample.label), f"{shard.name}/{sample.key}"
