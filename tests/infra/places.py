"""Helpers of the storage tests."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from infra.storage import TEMPORARY

ROOT = Path(__file__).parents[2]


def raising(error):
    def fail(*args, **kwargs):
        raise error

    return fail


def leftovers(folder):
    return [p.name for p in Path(folder.path).rglob("*") if p.name.startswith(TEMPORARY)]


def at_once(act, count=8):
    """What `act(i)` gives in `count` threads that start at the same moment."""
    ready = Barrier(count)

    def one(i):
        ready.wait(timeout=30)
        return act(i)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
