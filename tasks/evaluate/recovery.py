"""The class-wise noise of a copy, read off its shards and those it was made from, a picture at a time."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from infra.caching import forget as forget_all
from infra.caching import shared
from infra.errors import ConfigurationError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from tasks.evaluate import originals, triggers
from tasks.evaluate.originals import Both
from tasks.evaluate.triggers import Triggers
from tasks.rewrite.audit import manifest_of

MOST = 200
_FEWEST = 10
_BYTES = 1 << 30
_LOOKED_AT = 200


@shared(64)  # a noise a class is small, and there may be many copies
def recovered(copy: str, clean: SourceSpec) -> Triggers:
    """The noise of a copy that was made from `clean`, at the most common size of its pictures.

    Pictures of another size are left out: noise that was scaled to them can't be told exactly. Of each class the first
    changed ones count, up to 200 of them, or fewer where those would take over a gigabyte. Worked out once in a
    process. Raises ConfigurationError when a class has more than one noise, DataError when the copy and its source
    don't go together.
    """
    pair = originals.both(copy, clean)
    names, protected = pair.manifest.class_names, manifest_of(Folder(copy)).protection.classes
    wanted = frozenset(i for i, name in enumerate(names) if protected is None or name in protected)
    try:
        return triggers.triggers(*_changed(pair, wanted), len(names))
    except ConfigurationError as error:
        problem = f"{copy} can't give the trigger of a backdoor test: {error.problem}"
        raise ConfigurationError(problem, f"{error.mend}: leave this copy out, or the test") from error


def forget() -> None:
    """Let go of all noise that was recovered: other copies may lie in the same places by now."""
    forget_all(recovered)


def _changed(pair: Both, wanted: frozenset[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Changed pictures of one size, uint8 [N, H, W, 3], their originals, and their classes int64 [N]."""
    shape = _common_shape(pair)
    most = max(_FEWEST, min(MOST, _BYTES // (2 * 3 * shape[0] * shape[1] * max(1, len(wanted)))))
    found: list[tuple[np.ndarray, np.ndarray, int]] = []
    counts: Counter[int] = Counter()
    for stored, original, label in _pictures(pair, wanted, counts, most):
        if stored.shape[:2] == shape and not np.array_equal(stored, original):
            counts[label] += 1
            found.append((stored, original, label))
    empty = np.zeros((0, *shape, 3), np.uint8)
    sides = [np.stack([each[side] for each in found]) if found else empty for side in (0, 1)]
    labels = torch.tensor([label for _, _, label in found], dtype=torch.int64)
    return torch.from_numpy(sides[0]), torch.from_numpy(sides[1]), labels


def _pictures(
    pair: Both, wanted: frozenset[int], counts: Counter[int], most: int
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Pictures as stored, their originals and classes, until `most` of each class are counted by who takes them.

    Of a class that has them no more is decoded; when all have, no more is read.
    """
    left = set(wanted)
    for record in pair.manifest.shards:
        for stored, original in pair.pairs(record.name):
            label = pair.stored.class_of(stored)
            if label not in left:
                continue
            yield pair.stored.decoded(stored), pair.clean.decoded(original), label
            if counts[label] >= most:
                left.discard(label)
                if not left:
                    return


def _common_shape(pair: Both) -> tuple[int, int]:
    """The most common height and width of the copy's first pictures."""
    samples = (one for record in pair.manifest.shards for one in pair.copies(record.name))
    shapes = Counter(pair.stored.decoded(one).shape[:2] for one in islice(samples, _LOOKED_AT))
    height, width = shapes.most_common(1)[0][0]
    return int(height), int(width)
