"""The L-BFGS form (Huang et al. 2021, appendix I): a penalty on the noise's length in place of projection."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.noise.budget import bounds
from tasks.noise.pgd import Solver, input_gradient

if TYPE_CHECKING:
    from schemas.noise import NoiseBudget


def penalised(budget: "NoiseBudget", penalty: float, step_size: float, steps: int) -> Solver:
    """Minimise penalty * |delta|_2^2 + loss by Adam with a learning rate of `step_size` times epsilon.

    As there, Adam takes L-BFGS's place. The paper leaves this noise unbounded; here it is kept within the budget,
    since what is stored has to be.
    """
    rate = step_size * (budget.epsilon / 255)

    def solve(model: nn.Module, x: Tensor, y: Tensor, delta: Tensor, mask: Tensor | None) -> Tensor:
        limits = bounds(x, budget)
        delta = limits.project(delta).detach().clone()
        optimizer = torch.optim.Adam([delta], lr=rate)
        for _ in range(steps):
            gradient = input_gradient(model, x + delta, y) + 2 * penalty * delta
            delta.grad = gradient if mask is None else gradient * mask
            optimizer.step()
            delta.copy_(limits.project(delta))
        return delta.detach()

    return solve
