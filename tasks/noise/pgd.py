"""Projected gradient descent on the pictures: the engine of every noise that a network makes."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from infra.devices import autocast


def input_gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Gradient of the summed cross-entropy with respect to the pictures, float [N, 3, H, W] in [0, 1].

    `model` must be frozen (no parameter asks for a gradient), so that only the input's gradient is computed.
    Summed, not averaged: a picture's gradient then does not depend on its batch.
    """
    x = x.detach().requires_grad_(True)
    with autocast(x.device):
        logits = model(x)
    loss = functional.cross_entropy(logits.float(), y, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, x)
    return gradient


def minimise(
    model: nn.Module, x: Tensor, y: Tensor, delta: Tensor, *, epsilon: float, alpha: float, steps: int
) -> Tensor:
    """`steps` signed steps of size `alpha` that bring the loss on x + delta down, from the noise `delta`.

    Huang et al. 2021, eq. 3: after each step the noise is projected to |delta| <= epsilon and the picture to
    [0, 1]. All tensors float [N, 3, H, W] in [0, 1] units; `model` frozen and in eval mode, batch
    normalisation best folded. Never a random start.
    """
    low, high = (-x).clamp_(min=-epsilon), (1 - x).clamp_(max=epsilon)
    delta = torch.minimum(torch.maximum(delta, low), high)
    for _ in range(steps):
        gradient = input_gradient(model, x + delta, y)
        delta = torch.minimum(torch.maximum(delta - alpha * gradient.sign(), low), high)
    return delta


@torch.no_grad()
def error_and_loss(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Count of wrong answers and summed cross-entropy in nats on float [N, 3, H, W]."""
    with autocast(x.device):
        logits = model(x).float()
    return (logits.argmax(1) != y).sum(), functional.cross_entropy(logits, y, reduction="sum")
