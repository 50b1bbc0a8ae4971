"""Joining a Ray cluster: the driver keeps its own way of ending, and one that comes from elsewhere asks again.

The head forks a server process for each driver that comes by ray://, while its other threads use gRPC; gRPC's fork
handlers crash that process now and then (docs/scaling.md), and Ray gives up at the first.
"""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

_TRIES = 3
_PAUSE = 5.0  # seconds


def join(ray: ModuleType, place: dict[str, Any], told: dict[str, Any]) -> None:
    """Connect this process to the cluster at `place`, whose workers get the runtime environment `told`.

    Raises what Ray raises (OSError, RuntimeError, RayError): a refusal of its client's server at the third time only.
    """
    for attempt in range(_TRIES):
        try:
            with _own_signals():
                # No line of a worker's on stdout, which is the command's own.
                ray.init(**place, runtime_env=told, log_to_driver=False, logging_level=logging.CRITICAL)
        except ConnectionAbortedError:  # raised by Ray's client alone, once the cluster has answered
            if attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE)
        else:
            return


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's way of ending on SIGTERM: Ray puts its own in the place."""
    mine = signal.getsignal(signal.SIGTERM)
    main = threading.current_thread() is threading.main_thread()
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGTERM, mine)
