"""What a network makes of each class, on average over its pictures."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from infra.devices import autocast
from tasks.nn.batches import FitData, to_float

# Small: a pretrained network sees pictures at 224 pixels and more.
_BATCH = 32


@torch.no_grad()
def class_means(network: Callable[[Tensor], Tensor], data: FitData) -> NDArray[np.float64]:
    """Mean output float [classes, D] over each class's pictures; zeros for a class without a picture.

    `network` maps float [B, 3, S, S] in [0, 1] to [B, D] and is in eval mode.
    """
    outputs: list[Tensor] = []
    for chunk in data.images.split(_BATCH):
        with autocast(chunk.device):
            outputs.append(network(to_float(chunk)).double().cpu())
    seen = torch.cat(outputs)
    labels = data.labels.cpu()
    sums = torch.zeros(data.classes, seen.shape[1], dtype=seen.dtype).index_add_(0, labels, seen)
    counts = torch.bincount(labels, minlength=data.classes).clamp_(min=1)
    return (sums / counts[:, None]).numpy()
