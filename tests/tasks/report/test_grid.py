import io

import numpy as np
import pytest
from PIL import Image

from infra.errors import DataError
from tasks.report.grid import picture_grid


def test_grid_holds_the_true_pixels():
    generator = np.random.default_rng(0)
    original = generator.integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    protected = np.clip(original.astype(int) + generator.integers(-16, 17, original.shape), 0, 255).astype(np.uint8)
    grid = np.array(Image.open(io.BytesIO(picture_grid(original, protected))))
    assert grid.shape == (2 * 5 + 2, 3 * 4 + 2 * 2, 4)
    for row in range(2):
        top = row * 7
        amplified = np.clip(128 + 10 * (protected[row].astype(int) - original[row]), 0, 255)
        for left, expected in ((0, original[row]), (6, amplified), (12, protected[row])):
            np.testing.assert_array_equal(grid[top : top + 5, left : left + 4, :3], expected)
    assert (grid[5:7, :, 3] == 0).all()


@pytest.mark.parametrize(
    ("original", "protected"),
    [
        (np.zeros((1, 4, 4, 3), np.uint8), np.zeros((2, 4, 4, 3), np.uint8)),
        (np.zeros((1, 4, 4), np.uint8), np.zeros((1, 4, 4), np.uint8)),
        (np.zeros((1, 4, 4, 3), np.float32), np.zeros((1, 4, 4, 3), np.float32)),
    ],
)
def test_grid_refuses_other_arrays(original, protected):
    with pytest.raises(DataError, match="no grid"):
        picture_grid(original, protected)
