"""What a process computes once and shares between its tasks."""

import contextlib
import functools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar, cast

_P = ParamSpec("_P")
_R = TypeVar("_R")
_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


@contextlib.contextmanager
def one_of_a_kind(name: str) -> Iterator[None]:
    """Only one thread at a time is within it by this name: work that two tasks share is done once, and found then."""
    with _turns[name]:
        yield


def shared(most: int) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Keep the results of the last `most` different calls; all arguments must be hashable, as schemas are.

    One call of a function is under way at a time, and whoever asks meanwhile waits for it: tasks that start together
    would otherwise all compute the same result, and all of these would lie in memory at once.
    """

    def keep(function: Callable[_P, _R]) -> Callable[_P, _R]:
        cached = functools.lru_cache(maxsize=most)(function)
        turn = threading.RLock()

        @functools.wraps(function)
        def one_at_a_time(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with turn:
                return cast(_R, cached(*args, **kwargs))

        def clear() -> None:
            with turn:  # a call that is under way would leave its result behind
                cached.cache_clear()

        cast(Any, one_at_a_time).cache_clear = clear
        return one_at_a_time

    return keep


def forget(*kept: Callable[..., object]) -> None:
    """Let go of all results that `shared` keeps for these functions; waits for calls that are under way."""
    for function in kept:
        cast(Any, function).cache_clear()
