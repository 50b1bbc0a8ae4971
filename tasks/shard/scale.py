"""Pictures brought to one size, so that a network can see many at once."""

import cv2
import numpy as np
from numpy.typing import NDArray


def to_working(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] -> uint8 [size, size, 3]: area averaging when it shrinks, bilinear when it grows."""
    height, width = picture.shape[:2]
    if (height, width) == (size, size):
        return picture
    shrinks = size * size < height * width
    scaled = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return scaled.astype(np.uint8, copy=False)
