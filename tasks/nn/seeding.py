"""Libraries that draw from torch's global generator, made repeatable: all threads share that generator."""

import contextlib
import threading
from collections.abc import Iterator

import torch

_TURN = threading.RLock()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it the CPU's global generator stands at `seed`, for one thread at a time; afterwards it is as it was.

    It holds for threads that draw within `seeded` too. A device's own generator is left alone: what is drawn on a
    device is not seeded by this.
    """
    with _TURN, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would set every device's generator too
        yield


def drawn_seed(generator: torch.Generator) -> int:
    """A seed from a run's own generator on the CPU, for `seeded`: 0 to 2**62 - 1."""
    return int(torch.randint(2**62, (), generator=generator))
