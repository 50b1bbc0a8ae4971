"""Where tensors live, and the arithmetic that pays there."""

import contextlib
import functools
import os
from collections.abc import Iterator

import torch

from infra import machine
from infra.errors import ConfigurationError
from infra.machine import cores


def pick_device(name: str) -> torch.device:
    """The device called `name`: auto, cpu or cuda. Raises ConfigurationError when it is not there.

    Picking a GPU makes its arithmetic repeatable, for the whole process.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("device cuda is not there", "use --device cpu or auto")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    _make_repeatable()
    return torch.device("cuda")


def _make_repeatable() -> None:
    """Have CUDA take the same sums in the same order at every call.

    Without it cuDNN may pick kernels by stopwatch, and some sums are taken in whatever order threads finish. What is
    set follows PyTorch's notes on reproducibility; it has not been run on a GPU yet (docs/adr/0004).
    An operation that has no repeatable form is warned of, not refused: noise of other bytes still protects.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the first matrix product runs
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    # use_deterministic_algorithms(True, warn_only=True), which would load torch's compiler first: seconds, unused here.
    torch.set_deterministic_debug_mode("warn")


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


def threads(device: torch.device) -> int:
    """Threads that share a run's sums, on which their last bits depend; 0 on a GPU, where they don't."""
    return torch.get_num_threads() if device.type == "cpu" else 0


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
    """Bytes that are free where a device's tensors live; None when that can't be told.

    On a GPU torch keeps what its tensors gave back: the driver calls it taken, but the next tensors will lie there.
    """
    if device.type != "cuda":
        return machine.free_memory()
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept
