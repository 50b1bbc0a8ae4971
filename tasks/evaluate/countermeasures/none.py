"""No countermeasure."""

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from schemas.evaluate import NoCountermeasure


def prepare(countermeasure: "NoCountermeasure", images: Tensor) -> Tensor:
    """uint8 [N, S, S, 3] as it is."""
    del countermeasure
    return images
