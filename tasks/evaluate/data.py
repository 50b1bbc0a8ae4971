"""Pictures for victims: whole datasets in memory, uint8 until the batch."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from infra.errors import ConfigurationError, DataError
from tasks.evaluate.per_class import ADDED
from tasks.shard import labels as label_names
from tasks.shard import source
from tasks.shard.pictures import PictureError, decode
from tasks.shard.samples import Reject, Sample
from tasks.shard.scale import to_working

if TYPE_CHECKING:
    from schemas.dataset import SourcePlan, SourceSpec

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
        """SHA-256 of pixels, labels and class names; worked out once, for many runs ask for it."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
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
    for _, sample in islice(_samples(spec, source.plan(spec)), _LOOKED_AT):
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
    planned = source.plan(spec)
    for name, one in _inputs(spec, planned):
        if isinstance(one, Reject):
            left_out += 1
            continue
        try:
            images.append(to_working(decode(one.picture, spec.max_pixels), size))
        except PictureError:
            left_out += 1
            continue
        written.append(one.label)
        names.append(name)
    if not images:
        raise DataError(f"{spec.url} holds no picture that can be read", "check the dataset and its --split")
    own = _class_names(planned, written)
    order = classes or tuple(own.values())
    strangers = [own[label] for label in sorted(set(written)) if own[label] not in order]
    if strangers:
        problem = f"{spec.url} has the classes {', '.join(strangers[:10])}, which the other dataset lacks"
        raise DataError(problem, "both need the same classes: put the same classes.json beside their shards")
    index = {label: order.index(own[label]) for label in set(written)}
    labels = torch.tensor([index[label] for label in written])
    return Pictures(torch.from_numpy(np.stack(images)), labels, tuple(names), order, left_out)


def require_good(spec: "SourceSpec", pictures: Pictures) -> Pictures:
    """The pictures of a dataset, as loaded. Raises DataError when more of it was left out than `spec` lets pass."""
    total = len(pictures.images) + pictures.left_out
    if pictures.left_out > spec.max_bad_share * total:
        problem = f"{pictures.left_out} of {total} pictures of {spec.url} can't be used"
        raise DataError(problem, "mend them, or state a higher max_bad_share for them in a --config file")
    return pictures


def names(spec: "SourceSpec") -> tuple[str, ...]:
    """The names of all samples of a dataset, in order, without a look at their pictures."""
    return tuple(name for name, _ in _samples(spec, source.plan(spec)))


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


def subset(pictures: Pictures, chosen: Tensor) -> Pictures:
    """The pictures at bool [N] or int64 [B] `chosen`; classes stay as they are."""
    indices = chosen.nonzero().flatten() if chosen.dtype == torch.bool else chosen
    names = tuple(pictures.names[i] for i in indices.tolist())
    return replace(pictures, images=pictures.images[indices], labels=pictures.labels[indices], names=names)


def of_classes(pictures: Pictures, names: Sequence[str]) -> Pictures:
    """The pictures of some classes, which alone are left. Raises ConfigurationError when there is no such class."""
    strangers = [name for name in names if name not in pictures.classes]
    if strangers:
        problem = f"the dataset has no class {strangers[0]}"
        raise ConfigurationError(problem, f"its classes are {', '.join(pictures.classes[:20])}")
    new = torch.full((len(pictures.classes),), -1)
    new[[pictures.classes.index(name) for name in names]] = torch.arange(len(names))
    found = subset(pictures, new[pictures.labels] >= 0)
    return replace(found, labels=new[found.labels], classes=tuple(names))


def beside(first: Pictures, second: Pictures) -> Pictures:
    """Both sets as one, the classes of the second after those of the first; names of the first are marked if taken."""
    own = tuple(f"{name}{ADDED}" if name in second.classes else name for name in first.classes)
    return Pictures(
        torch.cat([first.images, second.images]),
        torch.cat([first.labels, second.labels + len(own)]),
        (*(f"added/{name}" for name in first.names), *second.names),
        (*own, *second.classes),
        first.left_out + second.left_out,
    )


def diluted(pictures: Pictures, originals: Pictures, share: float) -> Pictures:
    """The pictures, a `share` of them (0 to 1) put back to the originals."""
    back = put_back(len(pictures.images), share)
    images = pictures.images.clone()
    images[back] = originals.images[back]
    return replace(pictures, images=images)


def put_back(samples: int, share: float) -> Tensor:
    """Which of so many samples, a `share` of them (0 to 1), a host knows in the original: bool [N], drawn once for all.

    At least one of them, unless the share is 0. The same at every call, so that all runs are diluted alike.
    """
    found = torch.zeros(samples, dtype=torch.bool)
    count = max(1, round(share * samples)) if share else 0
    found[torch.randperm(samples, generator=torch.Generator().manual_seed(0))[:count]] = True
    return found


def _samples(spec: "SourceSpec", planned: "SourcePlan") -> Iterator[tuple[str, Sample]]:
    for name, one in _inputs(spec, planned):
        if isinstance(one, Sample):
            yield name, one


def _inputs(spec: "SourceSpec", planned: "SourcePlan") -> Iterator[tuple[str, Sample | Reject]]:
    for unit in planned.units:
        for one in source.read(spec, unit):
            yield f"{unit.name}/{one.key}", one


def _class_names(planned: "SourcePlan", written: Sequence[str]) -> dict[str, str]:
    """Class name by label as written, in the order of the classes."""
    if planned.class_names is not None:
        return {str(i): name for i, name in enumerate(planned.class_names)}
    return {label: label for label in label_names.ordered(set(written))}
