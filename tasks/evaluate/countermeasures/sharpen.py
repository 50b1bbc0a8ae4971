"""Training pictures through a low-pass filter, then sharpened."""

from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor

from tasks.evaluate import filters
from tasks.evaluate.treatment import Treatment

if TYPE_CHECKING:
    from schemas.countermeasures import Sharpen

VERSION = 1


def treatment(countermeasure: "Sharpen") -> Treatment:
    """A Gaussian blur, which takes out what changes from pixel to pixel, and an unsharp mask, which brings edges back.

    Of a frequency that the blur passes at g, 0 to 1, g * (1 + amount * (1 - g)) is left.
    """
    return Treatment(pictures=partial(_sharpened, sigma=countermeasure.sigma, amount=countermeasure.amount))


def smallest(countermeasure: "Sharpen") -> int:
    """See CountermeasureModule. A border is mirrored once only."""
    return filters.reach(countermeasure.sigma) + 1


def _sharpened(images: Tensor, sigma: float, amount: float) -> Tensor:
    low = filters.gaussian(filters.to_values(images), sigma)
    return filters.to_pictures(low + amount * (low - filters.gaussian(low, sigma)))
