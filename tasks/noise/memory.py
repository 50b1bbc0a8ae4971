"""How much memory a fit takes, told before it starts."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from infra.errors import ConfigurationError
from tasks.nn import networks

if TYPE_CHECKING:
    from schemas.noise import NoiseMethod

# The noise as it stands and the kept round's, each copied twice on its way into a checkpoint.
_COPIES_OF_SAMPLE_NOISE = 6
# Model, gradient, momentum and the kept model; a checkpoint copies three of them on its way, each up to three times.
_COPIES_OF_PARAMETERS = 12
_FLOAT = 4
# What a training step holds for each value that a layer gives: measured at .9 to 1.1 in fp32 on a CPU.
_PER_ACTIVATION = 1.5
_BASE = 256 << 20


def is_joint(method: "NoiseMethod") -> bool:
    """True for noise that is made picture by picture in the fit, with all of them in memory."""
    return getattr(method, "procedure", None) == "joint"


def needed(method: "NoiseMethod", samples: int, size: int, classes: int) -> int:
    """Bytes that a fit on `samples` pictures of side `size` takes at its peak, an estimate from above."""
    pictures = samples * size * size * 3
    if method.kind == "random":
        return pictures + _BASE
    both_stacked = 2 * pictures  # as they come from the shards, and as one tensor
    noise = _COPIES_OF_SAMPLE_NOISE * pictures if _keeps_sample_noise(method) else 0
    batch = min(samples, method.batch_size)
    return both_stacked + noise + _network_bytes(method.source_model, method.widths, classes, size, batch) + _BASE


def _keeps_sample_noise(method: "NoiseMethod") -> bool:
    return method.form == "sample-wise" and method.kind != "error-maximizing"


def _network_bytes(name: str, widths: tuple[int, ...] | None, classes: int, size: int, batch: int) -> int:
    """Parameters with all their copies, and the activations of a training step on one batch."""
    with torch.device("meta"):
        # In eval mode, for normalisation in train mode refuses a single value a channel.
        model = networks.build(name, classes, size, 0, widths).eval()
        found = [0]

        def add(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            found[0] += output.numel()

        for module in model.modules():
            if not list(module.children()):
                module.register_forward_hook(add)
        model(torch.empty(1, 3, size, size))
    parameters = sum(p.numel() for p in model.parameters())
    return _FLOAT * (_COPIES_OF_PARAMETERS * parameters + round(_PER_ACTIVATION * batch * found[0]))


def check(bytes_needed: int, available: int | None, joint: bool) -> None:
    """Raise ConfigurationError when a fit needs more memory than there is; `available` None: not known."""
    if available is None or bytes_needed <= available:
        return
    bounded = "use --procedure two-phase, which fits on a bounded sample"
    mend = bounded if joint else "lower --fit-samples or --working-size"
    problem = f"the fit takes about {gigabytes(bytes_needed)} of memory, and {gigabytes(available)} are free"
    raise ConfigurationError(problem, mend)


def gigabytes(count: int) -> str:
    """`1.2 GB`."""
    return f"{count / 1e9:.1f} GB"
