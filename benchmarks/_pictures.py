"""Pictures that cost a codec what photographs cost, without any photographs: made from a seed."""

from collections.abc import Iterator

import cv2
import numpy as np

from tasks.shard.samples import Sample

CLASSES = 10


def photo(size: int, rng: np.random.Generator) -> np.ndarray:
    """uint8 [size, size, 3]: a gradient, smooth noise at every scale, a little of it in colour, and grain.

    As JPEG of quality 90 and as PNG they are as large as those of CIFAR-10 (1.0 and 2.4 kB at 32 px) and of
    Imagenette (14 and 92 kB at 224 px), within a few percent.
    """
    across = np.linspace(-1, 1, size, dtype=np.float32)
    slope = rng.normal(0, 30, (2, 3))
    picture = 128 + across[:, None, None] * slope[0] + across[None, :, None] * slope[1]
    cells = 2
    while cells < size:
        strength = 40 / cells**0.4
        rough = rng.normal(0, strength, (cells, cells, 1)) + rng.normal(0, 0.3 * strength, (cells, cells, 3))
        picture = picture + cv2.resize(rough, (size, size), interpolation=cv2.INTER_CUBIC)
        cells *= 2
    return (picture + rng.normal(0, 2, (size, size, 3))).clip(0, 255).astype(np.uint8)


def jpegs(count: int, size: int) -> list[bytes]:
    """`count` of them, encoded at quality 90."""
    rng = np.random.default_rng(size)
    encoded = (cv2.imencode(".jpg", photo(size, rng), [cv2.IMWRITE_JPEG_QUALITY, 90]) for _ in range(count))
    return [data.tobytes() for _, data in encoded]


def samples(pictures: list[bytes], count: int, first: int = 0) -> Iterator[Sample]:
    """`count` samples with keys of their own; the pictures are taken in turn."""
    for number in range(first, first + count):
        label = str(number % CLASSES)
        parts = (("jpg", pictures[number % len(pictures)]), ("cls", label.encode()))
        yield Sample(f"{number:08d}", label, parts, 0, "synthetic")
