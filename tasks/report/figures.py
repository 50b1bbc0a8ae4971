"""Confusion matrices as SVG, grids of pictures as PNG."""

import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from infra.errors import DataError
from schemas.evaluate import VictimRun
from tasks.report.display import short
from tasks.report.svg import INK, plain, to_svg

MOST_LABELS, MOST_COUNTS, GAP = 50, 12, 2
AMPLIFIED = 10


def confusion_matrix(run: VictimRun) -> str | None:
    """Test pictures by true class (row) and answer (column) as SVG, each row coloured by its shares.

    Class names up to 50 classes, counts in the cells up to 12. None when the run has no such counts.
    """
    counts = np.array(run.confusion, dtype=np.float64)
    if counts.ndim != 2 or not counts.sum():
        return None
    classes = len(counts)
    figure = Figure(figsize=(side := min(8.5, 2.4 + 0.24 * min(classes, MOST_LABELS)), side), layout="constrained")
    axes = figure.subplots()
    plain(axes)
    # Opacity carries the share, so that an empty cell shows the page, be it light or dark.
    colours = np.broadcast_to(np.array([0x3B, 0x82, 0xF6, 0]) / 255, (*counts.shape, 4)).copy()
    colours[..., 3] = 0.85 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(colours, interpolation="nearest")
    axes.set(xlabel="answer", ylabel="true class")
    if classes <= MOST_LABELS:
        names = [short(name, 18) for name in run.classes]
        axes.set_xticks(range(classes), names, rotation=90)
        axes.set_yticks(range(classes), names)
    if classes <= MOST_COUNTS:
        for (row, column), count in np.ndenumerate(counts):
            axes.text(column, row, f"{count:.0f}", ha="center", va="center", fontsize=7, color=INK)
    return to_svg(figure)


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
