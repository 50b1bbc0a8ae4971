"""Samples in, protected samples out: decode, perturb, clip, encode without loss, decode again and compare."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from infra.errors import DataError
from tasks.noise.budget import exceeds
from tasks.noise.fitted import Batch
from tasks.noise.method import MakesNoise
from tasks.noise.resize import add, to_pictures
from tasks.shard import png as pngs
from tasks.shard.pictures import decode, shows_bgr
from tasks.shard.samples import Sample
from tasks.shard.scale import to_working

if TYPE_CHECKING:
    from schemas.noise import NoiseBudget

Picture = NDArray[np.uint8]
_MOST = 128
_MOST_PIXELS = 1 << 25
# Pictures of one size are calculated with together, as many as leave their values in a core's cache: a small picture
# alone costs more in calls than in sums, and calls hold the interpreter's lock.
_BLOCK_PIXELS = 1 << 16


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


class Protected(NamedTuple):
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
    classes = [plan.noise_class(sample) for sample in samples]
    noise = _noise(samples, pictures, classes, plan)
    for block in _blocks(pictures):
        yield from _rewrite(samples[block], pictures[block], classes[block], noise[block], plan.budget)


def _blocks(pictures: Sequence[Picture]) -> Iterator[slice]:
    """Neighbours of one size, no more of them than fit a block."""
    first = 0
    for (height, width, _), same in groupby(pictures, key=np.shape):
        last, length = first + len(list(same)), max(1, _BLOCK_PIXELS // (height * width))
        yield from (slice(start, min(start + length, last)) for start in range(first, last, length))
        first = last


def _noise(
    samples: Sequence[Sample], pictures: Sequence[Picture], classes: Sequence[int | None], plan: Plan
) -> NDArray[np.int8]:
    """Noise int8 [N, S, S, 3] at the working size; zero where a sample is not covered."""
    size, wanted = plan.working_size, {i: label for i, label in enumerate(classes) if label is not None}
    if not wanted:
        return np.zeros((len(samples), size, size, 3), np.int8)
    scaled = np.stack([to_working(pictures[i], size) for i in wanted])
    identities = tuple(plan.identity(samples[i]) for i in wanted)
    batch = Batch(torch.from_numpy(scaled), torch.tensor(list(wanted.values())), identities)
    made = plan.noise.noise(batch).contiguous().numpy()
    if len(wanted) == len(samples):
        return made
    noise = np.zeros((len(samples), *made.shape[1:]), np.int8)
    noise[list(wanted)] = made
    return noise


def _rewrite(
    samples: Sequence[Sample],
    pictures: Sequence[Picture],
    classes: Sequence[int | None],
    noise: NDArray[np.int8],
    budget: "NoiseBudget",
) -> Iterator[Protected]:
    """A block: pictures uint8 [H, W, 3] of one size, and their noise int8 [N, S, S, 3]. Raises DataError."""
    before = np.stack(pictures) if len(pictures) > 1 else pictures[0][None]
    count, height, width, _ = before.shape
    after = add(before, to_pictures(noise, height, width, budget))
    change = cv2.absdiff(after.reshape(count, -1), before.reshape(count, -1))
    largest = change.max(axis=1).tolist()
    bgr = cv2.cvtColor(after.reshape(-1, width, 3), cv2.COLOR_RGB2BGR).reshape(after.shape)
    for i, (sample, png) in enumerate(zip(samples, pngs.encode(after), strict=True)):
        squares = round(cv2.norm(change[i], cv2.NORM_L2SQR))
        if not shows_bgr(png, bgr[i]) or exceeds(largest[i], squares, budget):
            problem = f"the rewritten picture of sample {sample.key} does not decode to what was encoded"
            raise DataError(problem, "this is a defect of the PNG codec: reinstall isal and opencv and run it again")
        covered = classes[i] is not None
        values = change.shape[1] if covered else 0
        yield Protected(sample.key, sample.label, _with_png(sample, png), covered, largest[i], squares, values)


def _with_png(sample: Sample, encoded: bytes) -> tuple[tuple[str, bytes], ...]:
    """The sample's members, the picture replaced and its extension made `png`, all else as it was."""
    parts, image = sample.parts, sample.image
    stem, dot, _ = parts[image][0].rpartition(".")
    extension = f"{stem}{dot}png"
    if any(name == extension for i, (name, _) in enumerate(parts) if i != image):
        problem = f"sample {sample.key} has another member called .{extension}, which the protected picture needs"
        raise DataError(problem, "rename that member in the source")
    return (*parts[:image], (extension, encoded), *parts[image + 1 :])
