"""Training pictures under a Gaussian blur."""

from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor

from tasks.evaluate import filters
from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import Blur

VERSION = 1


def treatment(countermeasure: "Blur") -> Treatment:
    """Each channel blurred by itself, in a window of at least three deviations to each side."""
    return Treatment(pictures=partial(_blurred, sigma=countermeasure.sigma))


def smallest(countermeasure: "Blur") -> int:
    """See CountermeasureModule. A border is mirrored once only."""
    return filters.reach(countermeasure.sigma) + 1


def _blurred(images: Tensor, sigma: float) -> Tensor:
    return filters.to_pictures(filters.gaussian(filters.to_values(images), sigma))
