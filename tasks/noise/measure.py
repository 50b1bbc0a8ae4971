"""How well a frozen model reads pictures under the noise of a fit."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tasks.nn.batches import FitData, to_float
from tasks.noise.pgd import error_and_loss


def measure(model: nn.Module, data: FitData, look_up: Callable[[Tensor], Tensor], batch: int) -> tuple[float, float]:
    """Error rate (0 to 1) and mean loss (nats) on all perturbed pictures, clamped to [0, 1].

    `look_up` gives the noise float [B, 3, S, S] of the samples at int64 [B].
    """
    device = data.images.device
    wrong, loss = torch.zeros((), dtype=torch.int64, device=device), torch.zeros((), device=device)
    for chosen in torch.arange(len(data.images), device=device).split(batch):
        x = (to_float(data.images[chosen]) + look_up(chosen)).clamp_(0, 1)
        more_wrong, more_loss = error_and_loss(model, x, data.labels[chosen])
        wrong += more_wrong
        loss += more_loss
    return float(wrong) / len(data.images), float(loss) / len(data.images)
