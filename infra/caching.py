"""What a process computes once and shares between its tasks."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, ParamSpec, TypeVar, cast

_P = ParamSpec("_P")
_R = TypeVar("_R")


def shared(most: int) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Keep the results of the last `most` different calls; all arguments must be hashable, as schemas are."""

    def keep(function: Callable[_P, _R]) -> Callable[_P, _R]:
        return cast(Callable[_P, _R], lru_cache(maxsize=most)(function))

    return keep


def forget(*kept: Callable[..., object]) -> None:
    """Let go of all results that `shared` keeps for these functions."""
    for function in kept:
        cast(Any, function).cache_clear()
