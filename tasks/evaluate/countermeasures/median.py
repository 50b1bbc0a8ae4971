"""Training pictures under a median filter."""

from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import Median

VERSION = 1


def treatment(countermeasure: "Median") -> Treatment:
    """Each value becomes the median of the window about it, channel by channel; border pixels stand in for outside."""
    return Treatment(pictures=partial(_filtered, side=countermeasure.side))


def smallest(countermeasure: "Median") -> int:
    """See CountermeasureModule."""
    return countermeasure.side


def _filtered(images: Tensor, side: int) -> Tensor:
    out = np.empty(images.shape, dtype=np.uint8)
    for i, picture in enumerate(images.cpu().contiguous().numpy()):
        out[i] = cv2.medianBlur(picture, side)
    return torch.from_numpy(out).to(images.device)
