"""Grids of pictures as PNG."""

import io

import numpy as np
from PIL import Image

from infra.errors import DataError

GAP = 2
AMPLIFIED = 10


def picture_grid(original: np.ndarray, protected: np.ndarray) -> bytes:
    """PNG, a row a picture: original, noise x10 around mid-gray (128), protected; true pixels, 2 clear ones between.

    Both uint8 [n, H, W, 3]. Raises DataError when they are not, or differ in shape.
    """
    if original.shape != protected.shape or original.ndim != 4 or original.shape[-1] != 3 or not original.size:
        shapes = f"{original.shape} and {protected.shape}"
        raise DataError(f"pictures of shape {shapes} make no grid", "give two arrays of the same [n, H, W, 3]")
    if original.dtype != np.uint8 or protected.dtype != np.uint8:
        raise DataError(f"pictures of {original.dtype} and {protected.dtype} make no grid", "give uint8")
    noise = protected.astype(np.int16) - original
    amplified = np.clip(128 + AMPLIFIED * noise, 0, 255).astype(np.uint8)
    number, high, wide, _ = original.shape
    grid = np.zeros((number * (high + GAP) - GAP, 3 * (wide + GAP) - GAP, 4), dtype=np.uint8)
    for column, pictures in enumerate((original, amplified, protected)):
        for row, picture in enumerate(pictures):
            top, left = row * (high + GAP), column * (wide + GAP)
            grid[top : top + high, left : left + wide, :3] = picture
            grid[top : top + high, left : left + wide, 3] = 255
    stream = io.BytesIO()
    Image.fromarray(grid).save(stream, format="PNG", optimize=True)
    return stream.getvalue()
