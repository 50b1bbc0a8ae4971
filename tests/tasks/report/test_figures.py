import io
import math
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from infra.errors import DataError
from tasks.report.figures import confusion_matrix, learning_curves, picture_grid
from tests.tasks.report.helpers import grid_of_runs, run

HOSTILE = ("<script>alert(1)</script>", "$x_{1$", "قطة", "\x00\x1b[31m")


def texts(drawing):
    return [element.text for element in ElementTree.fromstring(drawing.encode()).iter() if element.tag.endswith("text")]


def test_curves_name_every_copy_and_panel():
    drawn = texts(learning_curves(grid_of_runs()))
    for expected in ("clean data", "error-minimizing noise (sample-wise, 8/255)", "tiny · none", "tiny · jpeg-10"):
        assert expected in drawn


def test_drawings_are_the_same_bytes_in_threads_and_follow_the_theme():
    with ThreadPoolExecutor(4) as pool:
        drawings = list(pool.map(learning_curves, [grid_of_runs()] * 4))
    assert len(set(drawings)) == 1
    assert "prefers-color-scheme" in drawings[0]
    assert "currentColor" in drawings[0]
    assert "date" not in drawings[0]


def test_nothing_to_draw_is_none():
    assert learning_curves([run(curve=()), run(seed=1, diverged=True)]) is None
    assert confusion_matrix(run(confusion=())) is None
    assert confusion_matrix(run(classes=("a", "b"), confusion=((0, 0), (0, 0)))) is None


def test_curves_of_unequal_length_and_without_numbers_are_drawn():
    short = run(seed=1, curve=run().curve[:1])
    lost = run(seed=2, curve=tuple(point.model_copy(update={"test_accuracy": math.nan}) for point in run().curve))
    assert learning_curves([run(), short, lost])


def test_hostile_class_names_are_plain_text():
    drawn = texts(confusion_matrix(run(classes=HOSTILE)))
    assert "<script>alert(1)<…" in drawn
    assert "$x_{1$" in drawn
    assert "قطة" in drawn
    assert "\\x00\\x1b[31m" in drawn


def test_a_thousand_classes_have_no_labels():
    drawing = confusion_matrix(run(classes=tuple(f"class {number}" for number in range(1000))))
    assert not [text for text in texts(drawing) if text and text.startswith("class")]
    assert len(drawing) < 500_000


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
