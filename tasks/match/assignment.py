"""From scores to matches: the public class that each private class is given, and which of these are in doubt."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from infra.errors import ConfigurationError

# A match is in doubt from here on: the runner-up's score as a share of the match's own.
AMBIGUOUS_FROM = 0.8
_DECIMALS = 4


@dataclass(frozen=True)
class Match:
    """One private class, the public class it is given, and the public class most like it beside that one.

    Scores from 0 to 1, to four decimals; a single public class has no runner-up.
    """

    private: str
    public: str
    score: float
    runner_up: str | None
    runner_up_score: float | None
    ambiguous: bool


def check_enough(private: int, public: int) -> None:
    """Raise ConfigurationError when there are fewer public than private classes: one-to-one can't be."""
    if public < private:
        problem = f"one-to-one matching of {private} private classes needs as many public ones, and {public} are there"
        raise ConfigurationError(problem, "use many-to-one (matching.assignment), or a public dataset with more")


def one_to_one(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """The public class int [private] of each private one, none given twice, so that their scores' sum is largest.

    `scores` float [private, public]. Raises ConfigurationError when there are fewer public than private classes.
    """
    check_enough(*scores.shape)
    return linear_sum_assignment(scores, maximize=True)[1]


def many_to_one(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """The public class int [private] that each private one is most like, by scores float [private, public]."""
    return scores.argmax(axis=1)


def matches(scores: NDArray[np.float64], private: Sequence[str], public: Sequence[str], assignment: str) -> list[Match]:
    """Matches in the order of the `private` names, from scores float [private, public] in 0..1.

    `assignment` is one-to-one or many-to-one. Raises ConfigurationError as `one_to_one` does.
    """
    chosen = one_to_one(scores) if assignment == "one-to-one" else many_to_one(scores)
    return [_judged(name, row, int(given), public) for name, row, given in zip(private, scores, chosen, strict=True)]


def _judged(private: str, scores: NDArray[np.float64], given: int, public: Sequence[str]) -> Match:
    """The match of one private class with the public class `given`, by its scores float [public]."""
    score = float(scores[given])
    if len(scores) == 1:
        return Match(private, public[given], round(score, _DECIMALS), None, None, ambiguous=False)
    others = scores.copy()
    others[given] = -np.inf
    second = int(others.argmax())
    runner_up = float(scores[second])
    # A runner-up above the match itself, where one-to-one forced it away from its best, is in here too.
    ambiguous = runner_up >= AMBIGUOUS_FROM * score
    rounded = round(score, _DECIMALS), public[second], round(runner_up, _DECIMALS)
    return Match(private, public[given], *rounded, ambiguous=ambiguous)
