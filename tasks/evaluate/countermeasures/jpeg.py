"""Training pictures through JPEG and back."""

from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import Jpeg

VERSION = 1


def treatment(countermeasure: "Jpeg") -> Treatment:
    """Each picture encoded by libjpeg at the quality, and decoded."""
    return Treatment(pictures=partial(_through_jpeg, quality=countermeasure.quality))


def smallest(countermeasure: "Jpeg") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1


def _through_jpeg(images: Tensor, quality: int) -> Tensor:
    parameters = [cv2.IMWRITE_JPEG_QUALITY, quality]
    out = np.empty(images.shape, dtype=np.uint8)
    for i, picture in enumerate(images.cpu().numpy()):
        encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), parameters)[1]
        out[i] = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))
    return torch.from_numpy(out).to(images.device)
