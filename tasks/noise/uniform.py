"""Uniform random noise: the paper's baseline, and a part of one of its mixtures."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tasks.noise.budget import to_steps

if TYPE_CHECKING:
    from schemas.noise import NoiseBudget


def uniform(budget: "NoiseBudget", side: int, seed: int, truncated: bool = False) -> Tensor:
    """int8 [3, side, side] in 1/255 steps: U(-epsilon, epsilon) a value; with l2, of length epsilon, any direction.

    `seed` is of 128 bits (`BucketKey.wide_seed`): nothing hides this noise but the key, and 32 bits can be tried out.
    """
    generator, shape = np.random.Generator(np.random.Philox(key=seed)), (side, side, 3)
    if budget.norm == "l2":
        drawn = torch.from_numpy(generator.standard_normal(shape, np.float32))
        drawn = drawn / drawn.norm() * (budget.epsilon / 255)
    else:
        drawn = (torch.from_numpy(generator.random(shape, np.float32)) * 2 - 1) * (budget.epsilon / 255)
    return to_steps(drawn.permute(2, 0, 1)[None], budget, truncated)[0]
