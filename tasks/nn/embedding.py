"""Embeddings: what a network makes of a picture just before it names a class."""

import torch
from torch import Tensor, nn

from tasks.nn.batches import to_float
from tasks.nn.fold import fold

_BATCH = 128


@torch.no_grad()
def embed(model: nn.Module, images: Tensor) -> Tensor:
    """Embeddings float32 [N, D] of uint8 [N, S, S, 3]: the input of the network's last linear layer, in eval mode.

    `model` lies on the device of `images` and is left as it is. Not normalised to length one. In full precision, for
    pairs of faces are told apart by the last digits of a cosine. Raises ValueError when it has no linear layer.
    """
    folded = fold(model)
    linear = [module for module in folded.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ValueError(f"{type(model).__name__} has no linear layer whose input could be an embedding")
    caught: list[Tensor] = []

    def catch(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        del module
        caught.append(inputs[0].flatten(1).float())

    linear[-1].register_forward_pre_hook(catch)
    for chunk in images.split(_BATCH):
        folded(to_float(chunk))
    return torch.cat(caught)
