"""How fast a stage goes, in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.pace import Pace, duration


def paced(total: int, *steps: tuple[int, int], seconds: float = 10.0) -> Pace:
    """A pace whose stage has gone on for `seconds`."""
    found = Pace(total, "shards")
    found.began -= seconds
    for done, images in steps:
        found.add(done, images)
    return found


def test_it_tells_units_images_and_the_time_left():
    found = paced(40, (4, 1000), (6, 2000))
    assert found.count() == "10/40 shards"
    assert found.rate() == "300 images/s"
    assert found.left() == "30 s left"
    assert found.told("a.tar") == "10/40 shards, 300 images/s, 30 s left, a.tar"


def test_what_was_done_before_does_not_make_the_rest_look_fast():
    found = paced(40, (30, 0), (5, 500))
    assert found.rate() == "50 images/s"
    assert found.left() == "10 s left"


def test_what_is_not_known_is_not_said():
    assert paced(0, (3, 0)).told() == "3/? shards"
    assert paced(5).told() == "0/5 shards"
    assert paced(5, (5, 50)).told() == "5/5 shards, 5 images/s"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min"), (90_000, "25 h 0 min")],
)
def test_durations_are_for_people(seconds, told):
    assert duration(seconds) == told


@given(st.floats(0, 1e7))
def test_every_duration_is_told_with_units(seconds):
    assert duration(seconds).split()[1::2] in (["s"], ["min", "s"], ["h", "min"])
