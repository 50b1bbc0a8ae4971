"""When two means differ by more than chance gives: what lies within the spread over seeds is not claimed."""

import math
from collections.abc import Mapping
from typing import Any

# Published runs of one and the same setting, a seed each, differ by about so many points of accuracy.
ONE_SEED = 4.0


def margin(std: float, other: float, one_seed: float = ONE_SEED) -> float:
    """What two means must differ by: the root of both variances over seeds, in the means' own unit.

    A deviation that is NaN comes from one seed and tells nothing: then it is `one_seed`.
    """
    return one_seed if math.isnan(std) or math.isnan(other) else math.hypot(std, other)


def clearly_above(high: Mapping[str, Any], low: Mapping[str, Any]) -> bool:
    """True when the `mean` of `high` lies above that of `low` by more than the spread of both (`std`), in percent."""
    return high["mean"] - low["mean"] > margin(high["std"], low["std"])
