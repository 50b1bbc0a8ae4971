"""Projected gradient descent on the pictures: the engine of every noise that a network makes."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from infra.devices import autocast
from tasks.noise.budget import bounds, direction

if TYPE_CHECKING:
    from schemas.noise import NoiseBudget

# Model, pictures float [N, 3, H, W] in [0, 1], classes int64 [N], the noise they have, and where it may be changed
# (float [N, 1, H, W], 1 there and 0 elsewhere; None: everywhere) -> better noise.
Solver = Callable[[nn.Module, Tensor, Tensor, Tensor, Tensor | None], Tensor]


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


def descent(budget: "NoiseBudget", alpha: float, steps: int) -> Solver:
    """Steps of `alpha` times epsilon that bring the loss down (Huang et al. 2021, eq. 3): error-minimizing."""
    return _pgd(budget, -alpha, steps)


def ascent(budget: "NoiseBudget", alpha: float, steps: int) -> Solver:
    """Steps of `alpha` times epsilon that bring the loss up (Madry et al. 2018): error-maximizing."""
    return _pgd(budget, alpha, steps)


def _pgd(budget: "NoiseBudget", alpha: float, steps: int) -> Solver:
    """After each step the noise is projected to the budget and the picture to [0, 1]. Never a random start.

    The model is frozen and in eval mode, batch normalisation best folded.
    """
    size = alpha * (budget.epsilon / 255)

    def solve(model: nn.Module, x: Tensor, y: Tensor, delta: Tensor, mask: Tensor | None) -> Tensor:
        limits = bounds(x, budget)
        delta = limits.project(delta)
        for _ in range(steps):
            gradient = input_gradient(model, x + delta, y)
            if mask is not None:
                gradient = gradient * mask
            delta = limits.project(delta + size * direction(gradient, budget))
        return delta

    return solve


@torch.no_grad()
def error_and_loss(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Count of wrong answers and summed cross-entropy in nats on float [N, 3, H, W]."""
    with autocast(x.device):
        logits = model(x).float()
    return (logits.argmax(1) != y).sum(), functional.cross_entropy(logits, y, reduction="sum")
