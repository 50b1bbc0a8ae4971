"""Uniform random noise: the paper's baseline, and a part of one of its mixtures."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tasks.noise.budget import to_steps

if TYPE_CHECKING:
    from schemas.noise import NoiseBudget


def uniform(budget: "NoiseBudget", side: int, seed: int, truncated: bool = False) -> Tensor:
    """int8 [3, side, side] in 1/255 steps: U(-epsilon, epsilon) a value; with l2, of length epsilon, any direction."""
    generator = torch.Generator().manual_seed(seed)
    if budget.norm == "l2":
        drawn = torch.randn(side, side, 3, generator=generator)
        drawn = drawn / drawn.norm() * (budget.epsilon / 255)
    else:
        drawn = (torch.rand(side, side, 3, generator=generator) * 2 - 1) * (budget.epsilon / 255)
    return to_steps(drawn.permute(2, 0, 1)[None], budget, truncated)[0]
