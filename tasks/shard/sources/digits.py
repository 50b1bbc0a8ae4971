"""The embedded dataset: scikit-learn's 1,797 handwritten digits, at 32 x 32."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from schemas.base import digest
from schemas.dataset import ShardUnit, SourcePlan, SourceSpec
from tasks.shard.pictures import encode_png
from tasks.shard.samples import Reject, Sample
from tasks.shard.sources.listing import no_split

SIZE = 32
TEST_SAMPLES = 450
_VERSION = 1  # of how the pictures are made


def plan(spec: SourceSpec) -> SourcePlan:
    """Units of `shard_size` digits of the train (1,347) or test (450) split. Raises DataError for another split."""
    _, _, indices = _split(spec)
    total = min(len(indices), spec.limit or len(indices))
    units = [
        ShardUnit(
            name=f"{spec.split}-{number:06d}.tar",
            url="digits",
            in_place=False,
            fingerprint=digest("digits", _VERSION),
            arguments={"start": start, "stop": min(start + spec.shard_size, total)},
        )
        for number, start in enumerate(range(0, total, spec.shard_size))
    ]
    return SourcePlan(format="digits", units=tuple(units), class_names=tuple(str(digit) for digit in range(10)))


def read(spec: SourceSpec, unit: ShardUnit) -> Iterator[Sample | Reject]:
    """The digits of a unit as gray PNG, 32 x 32 RGB."""
    values, labels, indices = _split(spec)
    arguments: Any = unit.arguments
    for index in indices[arguments["start"] : arguments["stop"]]:
        label = str(labels[index])
        parts = (("png", encode_png(_picture(values[index]))), ("cls", label.encode()))
        yield Sample(f"digit-{index:04d}", label, parts, 0, f"digits[{index}]")


def _picture(values: np.ndarray) -> np.ndarray:
    """uint8 [32, 32, 3] from float [8, 8] in 0..16."""
    gray = np.rint(values * (255 / 16)).astype(np.uint8)
    return cv2.cvtColor(cv2.resize(gray, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2RGB)


def _split(spec: SourceSpec) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """All pictures float [1797, 8, 8], all labels int [1797], and the indices of the split."""
    values, labels, train, test = _digits()
    if spec.split not in ("train", "test"):
        raise no_split("digits", spec.split, {"train", "test"})
    return values, labels, train if spec.split == "train" else test


@lru_cache(maxsize=1)
def _digits() -> tuple[np.ndarray, np.ndarray, list[int], list[int]]:
    from sklearn.datasets import load_digits  # slow to import, and most jobs don't need it
    from sklearn.model_selection import train_test_split

    values, labels = load_digits(return_X_y=True)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_SAMPLES, random_state=0, stratify=np.asarray(labels)
    )
    return np.reshape(values, (-1, 8, 8)), np.asarray(labels), [int(i) for i in train], [int(i) for i in test]
