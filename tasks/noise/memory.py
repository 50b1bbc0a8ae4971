"""How much memory a fit takes, told before it starts.

Each method's module says what its own fit takes (`fit_bytes`), put together from the parts that are counted here.
"""

from typing import TYPE_CHECKING

import torch
from torch import nn

from infra.errors import ConfigurationError
from tasks.nn import networks
from tasks.noise import method as methods

if TYPE_CHECKING:
    from schemas.noise import NoiseMethod

# A checkpoint copies all that goes into it twice on its way.
_COPIES_IN_A_CHECKPOINT = 3
# Model, gradient, momentum and the kept model; a checkpoint copies three of them on its way, each up to three times.
_COPIES_OF_PARAMETERS = 12
_FLOAT = 4
# What a training step holds for each value that a layer gives: measured at .9 to 1.1 in fp32 on a CPU.
_PER_ACTIVATION = 1.5
# Pictures in an order of their own, and their noise, in parts and as one tensor.
_COPIES_IN_A_TRIAL = 3
# A batch's noise by class: as it was, summed, divided, and brought within the budget.
_COPIES_OF_MEANS = 4
_BASE = 256 << 20


def needed(method: "NoiseMethod", samples: int, size: int, classes: int) -> int:
    """Bytes that a fit on `samples` pictures of side `size` takes at its peak, an estimate from above."""
    return _BASE + methods.module_of(method.kind).fit_bytes(method, samples, size, classes)


def values(count: int, size: int) -> int:
    """Values in `count` pictures of side `size`, or in their noise: also the bytes that these take as uint8 or int8."""
    return count * size * size * 3


def pictures(samples: int, size: int) -> int:
    """Bytes of a fit's pictures: as they come from the shards, and as one tensor."""
    return 2 * values(samples, size)


def sample_noise(samples: int, size: int, keeps_best: bool) -> int:
    """Bytes of int8 noise for each sample; `keeps_best` when the best round's is kept beside the noise as it stands."""
    return (2 if keeps_best else 1) * _COPIES_IN_A_CHECKPOINT * values(samples, size)


def class_noise(classes: int, size: int, batch: int) -> int:
    """Bytes of noise for each class: float as it stands, int8 for the best round's, float for a batch's means.

    Measured at 19.2 bytes a value of a further class; this says 20.
    """
    # A checkpoint needs it contiguous, which is one more tensor.
    as_it_stands = (1 + _COPIES_IN_A_CHECKPOINT) * _FLOAT * values(classes, size)
    best = (1 + _COPIES_IN_A_CHECKPOINT) * values(classes, size)
    return as_it_stands + best + _COPIES_OF_MEANS * _FLOAT * values(min(classes, batch), size)


def trial(samples: int, size: int) -> int:
    """Bytes of a trial of released noise on `samples` of the fit's pictures."""
    return _COPIES_IN_A_TRIAL * values(samples, size)


def network(name: str, widths: tuple[int, ...] | None, classes: int, size: int, batch: int) -> int:
    """Bytes of a source model: parameters with all their copies, and the activations of a step on one batch."""
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


def check(bytes_needed: int, available: int | None, method: "NoiseMethod") -> None:
    """Raise ConfigurationError when a fit needs more memory than there is; `available` None: not known."""
    if available is None or bytes_needed <= available:
        return
    problem = f"the fit takes about {gigabytes(bytes_needed)} of memory, and {gigabytes(available)} are free"
    raise ConfigurationError(problem, _mend(method))


def _mend(method: "NoiseMethod") -> str:
    """What brings a fit's memory down: the pictures, their size, and the batch, as far as the method has them."""
    sees_all = methods.module_of(method.kind).wanted_samples(method) is None
    bounded = "use --procedure two-phase, which fits on a bounded sample, or " if sees_all else ""
    levers = ["--working-size"]
    if hasattr(method, "fit_samples") and not sees_all:
        levers.insert(0, "--fit-samples")
    if hasattr(method, "batch_size"):
        levers.append("method.batch_size")
    if hasattr(method, "training"):
        levers.append("method.training.batch_size")
    return f"{bounded}lower {' or '.join(levers)}"


def gigabytes(count: int) -> str:
    """`1.2 GB`."""
    return f"{count / 1e9:.1f} GB"
