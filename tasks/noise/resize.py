"""Noise made at the working size, brought to a picture's own size and laid onto it.

The rule: a picture is scaled to the working size (shard/scale.py), noise is made there, scaled bilinearly to the
picture's size, rounded to whole steps of 1/255 and brought within the budget. A picture that has the working size
is not scaled at all.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from tasks.noise.budget import whole_steps

if TYPE_CHECKING:
    from schemas.noise import NoiseBudget


def to_picture(noise: NDArray[np.int8], height: int, width: int, budget: "NoiseBudget") -> NDArray[np.int16]:
    """int8 [S, S, 3] in 1/255 steps -> int16 [height, width, 3] in 1/255 steps, within the budget."""
    if noise.shape[:2] == (height, width):
        return noise.astype(np.int16)
    scaled = cv2.resize(noise.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return whole_steps(torch.from_numpy(scaled)[None], budget)[0].numpy().astype(np.int16)


def add(picture: NDArray[np.uint8], noise: NDArray[np.int16]) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] + int16 [H, W, 3] in 1/255 steps -> uint8, clipped to 0..255."""
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), dtype=np.uint8)
