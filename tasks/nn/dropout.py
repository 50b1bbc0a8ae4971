"""Layers that draw while they are trained, made repeatable: they know only the generators that all threads share."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from tasks.nn.seeding import drawn_seed, seeded

# What layers and networks call the rate at which they leave something out; `p` is called so elsewhere too.
_RATES = ("drop_prob", "drop_rate", "dropout")
_WITH_P = ("Drop", "StochasticDepth")


def is_in(model: nn.Module) -> bool:
    """True for a network that drops something as it stands: asked in training mode, for a frozen part draws nothing."""
    return any(module.training and _rate(module) > 0 for module in model.modules())


def _rate(module: nn.Module) -> float:
    drops = any(part in type(module).__name__ for part in _WITH_P)
    found = [getattr(module, name, 0.0) for name in (*_RATES, *(("p",) if drops else ()))]
    return max(float(rate) for rate in found if isinstance(rate, int | float))


@contextlib.contextmanager
def drawn_from(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Within it what layers draw on the CPU and on `device` follows from `generator`; for one thread at a time."""
    seed = drawn_seed(generator)
    on_gpu = device.type == "cuda"
    with seeded(seed), torch.random.fork_rng(devices=[device] if on_gpu else []):
        if on_gpu:
            torch.cuda.manual_seed(seed)
        yield
