import math

import pytest

from tasks.report.differences import ONE_SEED, clearly_above, margin


def number(mean, std):
    return {"mean": mean, "std": std}


def test_margin_is_the_root_of_both_variances():
    assert margin(3.0, 4.0) == 5.0
    assert margin(0.0, 0.0) == 0.0


@pytest.mark.parametrize(("std", "other"), [(math.nan, 1.0), (1.0, math.nan), (math.nan, math.nan)])
def test_one_seed_tells_no_spread(std, other):
    assert margin(std, other) == ONE_SEED
    assert margin(std, other, 0.02) == 0.02


def test_what_lies_within_the_spread_is_not_clearly_above():
    assert clearly_above(number(15.1, 3.0), number(10.0, 4.0))
    assert not clearly_above(number(15.0, 3.0), number(10.0, 4.0))
    assert not clearly_above(number(10.0, 0.0), number(15.0, 0.0))
    assert not clearly_above(number(math.nan, 0.0), number(15.0, 0.0))
