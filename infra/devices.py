"""Where tensors live, and the arithmetic that pays there."""

import contextlib
import functools
from collections.abc import Iterator

import torch

from infra import machine
from infra.errors import ConfigurationError
from infra.machine import cores


def pick_device(name: str) -> torch.device:
    """The device called `name`: auto, cpu or cuda. Raises ConfigurationError when it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device cuda is not there", "use --device cpu or auto")
    return torch.device(name)


def device_kind(device: torch.device) -> str:
    """The kind of a device, such as 'cpu' or 'NVIDIA H200': the same kind makes the same bytes."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


@functools.cache
def fast_bf16(kind: str) -> bool:
    """True when convolutions in bf16 are native on this kind of device (not merely possible).

    By capability rather than by stopwatch: a choice that a busy machine could flip would change bytes.
    """
    if kind == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return False
    return bool({"avx512_bf16", "amx_bf16"} & set(flags.split()))


def autocast(device: torch.device) -> torch.autocast:
    """A context in which convolutions run in bf16 where that is native, else in fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=fast_bf16(device.type))


def precision(device: torch.device) -> str:
    """Name of the arithmetic that `autocast` gives: bf16 or fp32."""
    return "bf16" if fast_bf16(device.type) else "fp32"


def slots(device: torch.device) -> int:
    """How many networks are best trained side by side: one a core (at most eight) on a CPU, one on a GPU.

    It does not depend on how many there are to train: a run's sums depend on its threads, and so would its result.
    """
    return min(cores(), 8) if device.type == "cpu" else 1


@contextlib.contextmanager
def cores_shared_by(workers: int) -> Iterator[None]:
    """Give each of `workers` threads its share of the cores for torch's own threads, instead of all of them."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, cores() // workers))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free where a device's tensors live; None when that can't be told."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else machine.free_memory()
