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


def to_pictures(noise: NDArray[np.int8], height: int, width: int, budget: "NoiseBudget") -> NDArray[np.int8]:
    """int8 [N, S, S, 3] in 1/255 steps -> int8 [N, height, width, 3] in 1/255 steps, within the budget."""
    if noise.shape[1:3] == (height, width):
        return noise
    laid = np.zeros((len(noise), height, width, 3), np.int8)
    for one, out in zip(noise, laid, strict=True):
        if one.any():
            # One by one: a sum over a batch need not be rounded as that of a single picture is.
            scaled = cv2.resize(one.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
            out[:] = whole_steps(torch.from_numpy(scaled)[None], budget)[0].numpy()
    return laid


def add(pictures: NDArray[np.uint8], noise: NDArray[np.int8]) -> NDArray[np.uint8]:
    """uint8 [..., W, 3] + int8 of the same shape in 1/255 steps -> uint8, clipped to 0..255."""
    # 0..255 seen as -128..127: there an int8 sum that stops at its type's ends stops at 0 and at 255.
    shifted = np.bitwise_xor(pictures, 0x80).reshape(len(pictures), -1).view(np.int8)
    total = cv2.add(shifted, noise.reshape(len(pictures), -1)).view(np.uint8)
    return np.bitwise_xor(total, 0x80, out=total).reshape(pictures.shape)
