import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from infra.errors import ConfigurationError
from tasks.match.assignment import AMBIGUOUS_FROM, many_to_one, matches, one_to_one

ALL = "abcdefg"


def matrices(most_private=4, most_public=5, enough=True):
    def of(shape):
        return arrays.arrays(np.float64, shape, elements=st.floats(0, 1))

    shapes = st.tuples(st.integers(1, most_private), st.integers(1, most_public))
    return shapes.filter(lambda s: s[0] <= s[1] if enough else True).flatmap(of)


def of(scores, assignment="many-to-one"):
    scores = np.array(scores, dtype=float)
    return matches(scores, ALL.upper()[: len(scores)], ALL[: scores.shape[1]], assignment)


@given(matrices())
def test_one_to_one_gives_no_class_twice_and_has_the_largest_sum(scores):
    chosen = one_to_one(scores)
    assert len(set(chosen.tolist())) == len(scores)
    ways = itertools.permutations(range(scores.shape[1]), len(scores))
    best = max(sum(scores[i, j] for i, j in enumerate(way)) for way in ways)
    assert sum(scores[i, j] for i, j in enumerate(chosen)) == pytest.approx(best)


@given(matrices(enough=False))
def test_many_to_one_gives_each_the_class_it_is_most_like(scores):
    chosen = many_to_one(scores)
    assert len(chosen) == len(scores)
    assert all(row[given] == max(row) for row, given in zip(scores, chosen, strict=True))


@given(matrices(), st.sampled_from(["one-to-one", "many-to-one"]))
def test_a_match_tells_its_score_its_runner_up_and_whether_it_is_in_doubt(scores, assignment):
    found = of(scores, assignment)
    assert [match.private for match in found] == list(ALL.upper()[: len(scores)])
    for match, row in zip(found, scores, strict=True):
        given = ALL.index(match.public)
        others = [score for i, score in enumerate(row) if i != given]
        assert match.score == round(row[given], 4)
        if not others:
            assert (match.runner_up, match.runner_up_score, match.ambiguous) == (None, None, False)
            continue
        assert match.runner_up != match.public
        assert row[ALL.index(match.runner_up)] == max(others)
        assert match.runner_up_score == round(max(others), 4)
        assert match.ambiguous == (max(others) >= AMBIGUOUS_FROM * row[given])


@pytest.mark.parametrize(("second", "ambiguous"), [(0.0, False), (0.39, False), (0.4, True), (0.5, True)])
def test_a_close_second_puts_a_match_in_doubt(second, ambiguous):
    (match,) = of([[0.5, second]])
    assert (match.public, match.ambiguous) == ("a", ambiguous)


def test_a_class_that_was_forced_away_from_its_best_is_in_doubt():
    first, second = of([[0.9, 0.1], [0.8, 0.2]], "one-to-one")
    assert (first.public, first.ambiguous) == ("a", False)
    assert (second.public, second.runner_up, second.ambiguous) == ("b", "a", True)
    assert [match.public for match in of([[0.9, 0.1], [0.8, 0.2]])] == ["a", "a"]


def test_fewer_public_classes_than_private_ones_cannot_be_one_to_one():
    with pytest.raises(ConfigurationError, match=r"3 private classes .* and 2 are there; use many-to-one") as caught:
        of([[0.5, 0.5]] * 3, "one-to-one")
    assert caught.value.exit_status == 2
    assert len(of([[0.5, 0.4]] * 3)) == 3
