"""Samples in, protected samples out: decode, perturb, clip, encode without loss, decode again and compare."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from infra.errors import DataError
from tasks.noise.budget import exceeds
from tasks.noise.fitted import Batch
from tasks.noise.method import MakesNoise
from tasks.noise.resize import add, to_picture
from tasks.shard.pictures import decode, encode_png
from tasks.shard.samples import Sample
from tasks.shard.scale import to_working

if TYPE_CHECKING:
    from schemas.noise import NoiseBudget

Picture = NDArray[np.uint8]
_MOST = 128
_MOST_PIXELS = 1 << 25


@dataclass(frozen=True)
class Plan:
    """What perturbing needs besides the samples.

    `noise_class` maps a sample to the class (of those the noise was made for) that makes its noise, or to None
    when it is not covered; `identity` gives the name by which its noise is found.
    """

    noise: MakesNoise
    budget: "NoiseBudget"
    working_size: int
    max_pixels: int
    noise_class: Callable[[Sample], int | None]
    identity: Callable[[Sample], str]


@dataclass(frozen=True)
class Protected:
    """One rewritten sample: its members in their order, and what changed in its picture, in steps of 1/255."""

    key: str
    label: str
    parts: tuple[tuple[str, bytes], ...]
    covered: bool
    max_abs_change: int
    squared_change: int
    values: int


def chunk_length(largest_area: int) -> int:
    """How many pictures are decoded at a time: 128, or fewer when they are large, so that memory stays bounded."""
    return max(1, min(_MOST, _MOST_PIXELS // max(1, largest_area)))


def protect(samples: Iterator[Sample], plan: Plan, chunk: int) -> Iterator[Protected]:
    """Rewrite samples in order, `chunk` at a time. Raises DataError when what was encoded is not what it should be."""
    waiting: list[Sample] = []
    for sample in samples:
        waiting.append(sample)
        if len(waiting) == chunk:
            yield from _protect_chunk(waiting, plan)
            waiting = []
    if waiting:
        yield from _protect_chunk(waiting, plan)


def _protect_chunk(samples: Sequence[Sample], plan: Plan) -> Iterator[Protected]:
    pictures = [decode(sample.picture, plan.max_pixels) for sample in samples]
    noise = _noise(samples, pictures, plan)
    for i, (sample, picture) in enumerate(zip(samples, pictures, strict=True)):
        yield _rewrite(sample, picture, noise.get(i), plan.budget)


def _noise(samples: Sequence[Sample], pictures: Sequence[Picture], plan: Plan) -> dict[int, NDArray[np.int8]]:
    """Noise at the working size of every covered sample, by its place in the chunk."""
    classes = {i: label for i, sample in enumerate(samples) if (label := plan.noise_class(sample)) is not None}
    if not classes:
        return {}
    scaled = np.stack([to_working(pictures[i], plan.working_size) for i in classes])
    identities = tuple(plan.identity(samples[i]) for i in classes)
    batch = Batch(torch.from_numpy(scaled), torch.tensor(list(classes.values())), identities)
    made = plan.noise.noise(batch).contiguous().numpy()
    return dict(zip(classes, made, strict=True))


def _rewrite(sample: Sample, picture: Picture, noise: NDArray[np.int8] | None, budget: "NoiseBudget") -> Protected:
    result = picture
    if noise is not None:
        result = add(picture, to_picture(noise, picture.shape[0], picture.shape[1], budget))
    encoded = encode_png(result)
    stored = decode(encoded, result.shape[0] * result.shape[1])
    change = cv2.absdiff(stored, picture)
    largest = int(change.max(initial=0))
    squares = round(cv2.norm(stored, picture, cv2.NORM_L2SQR)) if noise is not None else 0
    if not np.array_equal(stored, result) or exceeds(largest, squares, budget):
        problem = f"the rewritten picture of sample {sample.key} does not decode to what was encoded"
        raise DataError(problem, "this is a defect of the PNG codec: reinstall opencv and run it again")
    return Protected(
        key=sample.key,
        label=sample.label,
        parts=_with_png(sample, encoded),
        covered=noise is not None,
        max_abs_change=largest,
        squared_change=squares,
        values=picture.size if noise is not None else 0,
    )


def _with_png(sample: Sample, encoded: bytes) -> tuple[tuple[str, bytes], ...]:
    """The sample's members, the picture replaced and its extension made `png`, all else as it was."""
    extension = ".".join([*sample.parts[sample.image][0].split(".")[:-1], "png"])
    others = [name for i, (name, _) in enumerate(sample.parts) if i != sample.image]
    if extension in others:
        problem = f"sample {sample.key} has another member called .{extension}, which the protected picture needs"
        raise DataError(problem, "rename that member in the source")
    return tuple((extension, encoded) if i == sample.image else part for i, part in enumerate(sample.parts))
