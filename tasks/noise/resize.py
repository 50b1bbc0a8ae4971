"""Pictures brought to the working size, and noise brought back to a picture's own size.

The rule: a picture is scaled to the working size (a square; area averaging when it shrinks, bilinear when it
grows), noise is made there, scaled bilinearly to the picture's size, rounded to whole steps of 1/255 and clamped
to the budget. A picture that has the working size is not scaled at all.
"""

import cv2
import numpy as np
from numpy.typing import NDArray


def to_working(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] -> uint8 [size, size, 3]."""
    height, width = picture.shape[:2]
    if (height, width) == (size, size):
        return picture
    shrinks = size * size < height * width
    scaled = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return scaled.astype(np.uint8, copy=False)


def to_picture(noise: NDArray[np.int8], height: int, width: int, epsilon: int) -> NDArray[np.int16]:
    """int8 [S, S, 3] in 1/255 steps -> int16 [height, width, 3] in 1/255 steps, within +-epsilon."""
    if noise.shape[:2] == (height, width):
        return noise.astype(np.int16)
    scaled = cv2.resize(noise.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(np.rint(scaled), -epsilon, epsilon).astype(np.int16)


def add(picture: NDArray[np.uint8], noise: NDArray[np.int16]) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] + int16 [H, W, 3] in 1/255 steps -> uint8, clipped to 0..255."""
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), dtype=np.uint8)
