"""Embeddings: what a network makes of a picture just before it names a class."""

import contextlib
import threading
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tasks.nn.batches import to_float
from tasks.nn.fold import fold
from tasks.nn.outputs import last_linear

_BATCH = 128


@torch.no_grad()
def embed(model: nn.Module, images: Tensor) -> Tensor:
    """Embeddings float32 [N, D] of uint8 [N, S, S, 3]: the input of the network's last linear layer, in eval mode.

    They lie on the device of `model`, wherever `images` are; `model` is left as it is. Not normalised to length one. In
    full precision, for pairs of faces are told apart by the last digits of a cosine. Raises ValueError when it has no
    linear layer.
    """
    folded = fold(model)
    caught: list[Tensor] = []

    def catch(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        del module
        caught.append(inputs[0].flatten(1).float())

    last_linear(folded).register_forward_pre_hook(catch)
    device = next(folded.parameters()).device
    with _full_precision():
        for chunk in images.split(_BATCH):
            folded(to_float(chunk.to(device)))
    return torch.cat(caught)


class _Inside:
    """How many threads are within `_full_precision`, and what was allowed before the first of them."""

    turn = threading.Lock()
    count = 0
    allowed = True


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """Within it a GPU's convolutions don't round float32 to TF32, which cuDNN does unless told otherwise.

    The setting is the process's. So the first thread in switches TF32 off and the last one out puts back what was
    there. What another thread convolves in float32 meanwhile is not rounded either; on a GPU victims are trained one at
    a time, so there is none. Matrix products are in full precision anyway: PyTorch's default.
    """
    with _Inside.turn:
        if _Inside.count == 0:
            _Inside.allowed = torch.backends.cudnn.allow_tf32
            torch.backends.cudnn.allow_tf32 = False
        _Inside.count += 1
    try:
        yield
    finally:
        with _Inside.turn:
            _Inside.count -= 1
            if _Inside.count == 0:
                torch.backends.cudnn.allow_tf32 = _Inside.allowed
