"""What a process computes once is computed once, however many tasks ask for it together."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.caching import forget, shared

WORKERS = 8


class Loader:
    """Counts its calls; each waits a little, so that others could come in."""

    def __init__(self):
        self.calls = []

    def __call__(self, name):
        """A new object for a name."""
        self.calls.append(name)
        threading.Event().wait(0.05)
        return [name]


def together(function, names):
    """Call the function with each name, in threads that start at once."""
    start = threading.Barrier(len(names))

    def call(name):
        start.wait()
        return function(name)

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(call, names))


@pytest.fixture
def loader():
    made = Loader()

    @shared(2)
    def load(name):
        return made(name)

    return made, load


def test_threads_that_ask_together_share_one_result(loader):
    made, load = loader
    found = together(load, ["a"] * WORKERS)
    assert made.calls == ["a"]
    assert all(one is found[0] for one in found)


def test_each_argument_has_its_result(loader):
    made, load = loader
    found = together(load, ["a", "b"] * 3)
    assert sorted(made.calls) == ["a", "b"]
    assert [one[0] for one in found] == ["a", "b"] * 3


def test_the_last_results_are_kept_and_older_ones_let_go(loader):
    made, load = loader
    for name in ("a", "b", "a", "c", "a", "b"):
        load(name)
    assert made.calls == ["a", "b", "c", "b"]


def test_what_is_forgotten_is_computed_again(loader):
    made, load = loader
    load("a")
    forget(load)
    load("a")
    assert made.calls == ["a", "a"]


def test_a_result_that_was_under_way_is_forgotten_too():
    begun, go_on = threading.Event(), threading.Event()
    calls = []

    @shared(2)
    def load(name):
        calls.append(name)
        begun.set()
        go_on.wait(10)
        return name

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(load, "a")
        begun.wait(10)
        forgotten = pool.submit(forget, load)
        go_on.set()
        assert (first.result(), forgotten.result()) == ("a", None)
    load("a")
    assert calls == ["a", "a"]


def test_a_failure_is_kept_by_nobody(loader):
    calls = []

    @shared(1)
    def load(name):
        calls.append(name)
        if len(calls) == 1:
            raise OSError(name)
        return name

    with pytest.raises(OSError, match="a"):
        load("a")
    assert load("a") == "a"


def test_a_shared_function_may_ask_itself():
    @shared(9)
    def depth(count):
        return 0 if count == 0 else 1 + depth(count - 1)

    assert depth(5) == 5


def test_it_goes_by_the_name_of_what_it_calls(loader):
    assert loader[1].__name__ == "load"
