"""Pictures for victims: whole datasets in memory, uint8 until the batch."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from infra.errors import DataError
from tasks.shard import labels as label_names
from tasks.shard import source
from tasks.shard.pictures import PictureError, decode
from tasks.shard.samples import Sample
from tasks.shard.scale import to_working

if TYPE_CHECKING:
    from schemas.dataset import SourceSpec

_LOOKED_AT = 200
_LARGEST = 224


@dataclass(frozen=True)
class Pictures:
    """uint8 [N, S, S, 3], classes int64 [N], N names (shard/key), class names by index, and samples left out."""

    images: Tensor
    labels: Tensor
    names: tuple[str, ...]
    classes: tuple[str, ...]
    left_out: int

    def digest(self) -> str:
        """SHA-256 of pixels, labels and class names."""
        hasher = hashlib.sha256(repr((tuple(self.images.shape), self.classes)).encode())
        hasher.update(self.images.cpu().contiguous().numpy().data.cast("B"))
        hasher.update(self.labels.cpu().numpy().tobytes())
        return hasher.hexdigest()

    def to(self, device: torch.device) -> "Pictures":
        """The same pictures on a device."""
        return Pictures(self.images.to(device), self.labels.to(device), self.names, self.classes, self.left_out)


def typical_side(spec: "SourceSpec") -> int:
    """The most common longer side, in pixels, among a dataset's first pictures; at most 224."""
    sides: Counter[int] = Counter()
    for _, sample in islice(_samples(spec), _LOOKED_AT):
        try:
            sides[max(decode(sample.picture, spec.max_pixels).shape[:2])] += 1
        except PictureError:
            continue
    if not sides:
        raise DataError(f"{spec.url} holds no picture that can be read", "check the dataset")
    return min(_LARGEST, sides.most_common(1)[0][0])


def load(spec: "SourceSpec", size: int, classes: tuple[str, ...] | None = None) -> Pictures:
    """All good samples of a dataset, scaled to `size` x `size` where they have another size.

    `classes` gives the order of the classes, so that two datasets agree on it. Raises DataError when the dataset
    is empty or has a class that `classes` lacks.
    """
    images: list[np.ndarray] = []
    written: list[str] = []
    names: list[str] = []
    left_out = 0
    for name, sample in _samples(spec):
        try:
            images.append(to_working(decode(sample.picture, spec.max_pixels), size))
        except PictureError:
            left_out += 1
            continue
        written.append(sample.label)
        names.append(name)
    if not images:
        raise DataError(f"{spec.url} holds no picture that can be read", "check the dataset and its --split")
    own = _class_names(spec, written)
    order = classes or tuple(own.values())
    strangers = [own[label] for label in sorted(set(written)) if own[label] not in order]
    if strangers:
        problem = f"{spec.url} has the classes {', '.join(strangers[:10])}, which the other dataset lacks"
        raise DataError(problem, "both need the same classes: put the same classes.json beside their shards")
    index = {label: order.index(own[label]) for label in set(written)}
    labels = torch.tensor([index[label] for label in written])
    return Pictures(torch.from_numpy(np.stack(images)), labels, tuple(names), order, left_out)


def select(pictures: Pictures, names: Sequence[str]) -> Pictures:
    """The pictures called `names`, in that order. Raises DataError when one is not there."""
    places = {name: i for i, name in enumerate(pictures.names)}
    missing = [name for name in names if name not in places]
    if missing:
        problem = f"{len(missing)} protected samples are not in the clean dataset, such as {missing[0]}"
        raise DataError(problem, "give the source that they were made from with --clean")
    if list(names) == list(pictures.names):
        return pictures
    chosen = torch.tensor([places[name] for name in names])
    return Pictures(pictures.images[chosen], pictures.labels[chosen], tuple(names), pictures.classes, pictures.left_out)


def _samples(spec: "SourceSpec") -> Iterator[tuple[str, Sample]]:
    for unit in source.plan(spec).units:
        for one in source.read(spec, unit):
            if isinstance(one, Sample):
                yield f"{unit.name}/{one.key}", one


def _class_names(spec: "SourceSpec", written: Sequence[str]) -> dict[str, str]:
    """Class name by label as written, in the order of the classes."""
    stated = source.plan(spec).class_names
    if stated is not None:
        return {str(i): name for i, name in enumerate(stated)}
    return {label: label for label in label_names.ordered(set(written))}
