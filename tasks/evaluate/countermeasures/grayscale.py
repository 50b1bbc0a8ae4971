"""Training pictures turned gray."""

from typing import TYPE_CHECKING

from torch import Tensor
from torchvision.transforms.v2 import functional

from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import Grayscale

VERSION = 1


def treatment(countermeasure: "Grayscale") -> Treatment:
    """Three equal channels (luma of ITU-R 601)."""
    del countermeasure
    return Treatment(pictures=_gray)


def smallest(countermeasure: "Grayscale") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1


def _gray(images: Tensor) -> Tensor:
    gray = functional.rgb_to_grayscale(images.permute(0, 3, 1, 2), num_output_channels=3)
    return gray.permute(0, 2, 3, 1).contiguous()
