"""Training pictures through JPEG and back."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from schemas.evaluate import Jpeg


def prepare(countermeasure: "Jpeg", images: Tensor) -> Tensor:
    """uint8 [N, S, S, 3] RGB -> the same shape, each picture encoded by libjpeg at the quality and decoded."""
    parameters = [cv2.IMWRITE_JPEG_QUALITY, countermeasure.quality]
    out = np.empty(images.shape, dtype=np.uint8)
    for i, picture in enumerate(images.cpu().numpy()):
        encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), parameters)[1]
        out[i] = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))
    return torch.from_numpy(out).to(images.device)
