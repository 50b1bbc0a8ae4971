"""The budget: steps that are taken in its norm, noise that is kept within it, and whole steps of 1/255 in the end."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from schemas.noise import NoiseBudget

_LARGEST = 127


@dataclass(frozen=True)
class Bounds:
    """Where noise may lie for given pictures: between `low` and `high`, and within an L2 ball if there is one."""

    low: Tensor
    high: Tensor
    radius: float | None

    def project(self, delta: Tensor) -> Tensor:
        """The nearest noise within the ball, clamped to the limits of each value."""
        if self.radius is not None:
            delta = in_ball(delta, self.radius)
        return torch.minimum(torch.maximum(delta, self.low), self.high)


def bounds(x: Tensor, budget: "NoiseBudget") -> Bounds:
    """Bounds for pictures float [N, 3, H, W] in [0, 1]: within the budget, and x + delta within [0, 1]."""
    epsilon = budget.epsilon / 255
    if budget.norm == "l2":
        return Bounds(-x, 1 - x, epsilon)
    return Bounds((-x).clamp_(min=-epsilon), (1 - x).clamp_(max=epsilon), None)


def direction(gradient: Tensor, budget: "NoiseBudget") -> Tensor:
    """The steepest direction of unit size in the budget's norm, float [N, ...]: signs, or unit L2 length a picture."""
    if budget.norm == "linf":
        return gradient.sign()
    tiny, shape = torch.finfo(gradient.dtype).tiny, (-1, *[1] * (gradient.ndim - 1))
    # Scaled first: where a model is sure of its answer, the squares of the gradient are less than a float can hold.
    scaled = gradient / gradient.flatten(1).abs().amax(1).clamp_min(tiny).view(shape)
    return scaled / torch.linalg.vector_norm(scaled.flatten(1), dim=1).clamp_min(tiny).view(shape)


def in_ball(delta: Tensor, radius: float) -> Tensor:
    """Noise float [N, ...] with each element of the batch scaled to an L2 norm of at most `radius`."""
    norm = torch.linalg.vector_norm(delta.flatten(1), dim=1).clamp_min(1e-12)
    return delta * (radius / norm).clamp(max=1).view(-1, *[1] * (delta.ndim - 1))


def within(delta: Tensor, budget: "NoiseBudget") -> Tensor:
    """Noise float [N, ...] in [0, 1] units brought within the budget, whatever the picture."""
    epsilon = budget.epsilon / 255
    return in_ball(delta, epsilon) if budget.norm == "l2" else delta.clamp(-epsilon, epsilon)


def to_steps(noise: Tensor, budget: "NoiseBudget", truncated: bool = False) -> Tensor:
    """Noise float [N, ...] in [0, 1] units -> int8 in steps of 1/255, within the budget.

    Rounded to nearest, or `truncated` towards zero as the released code did.
    """
    return whole_steps(noise * 255, budget, truncated)


def whole_steps(values: Tensor, budget: "NoiseBudget", truncated: bool = False) -> Tensor:
    """The same for noise float [N, ...] that is already in steps of 1/255."""
    if budget.norm == "l2":
        values = in_ball(values.double(), budget.epsilon).clamp(-_LARGEST, _LARGEST)
        return (values.trunc() if truncated else _rounded_in_ball(values, budget.epsilon)).to(torch.int8)
    rounded = values.trunc() if truncated else values.round()
    return rounded.clamp(-budget.epsilon, budget.epsilon).to(torch.int8)


def exceeds(largest: int, squares: int, budget: "NoiseBudget") -> bool:
    """True when a change of a picture is over the budget: its largest value and its sum of squares in 1/255 steps."""
    return squares > budget.epsilon**2 if budget.norm == "l2" else largest > budget.epsilon


def _rounded_in_ball(values: Tensor, radius: int) -> Tensor:
    """Float64 [N, ...] rounded; where that leaves the ball, the values that rounding raised most are lowered again.

    Lowering them all is truncation, which never leaves the ball: so the result is always within it, exactly.
    """
    flat = values.flatten(1)
    rounded = flat.round()
    raised = rounded.abs() - flat.abs()
    order = raised.argsort(dim=1, descending=True, stable=True)  # ties fall alike on every machine
    freed = ((2 * rounded.abs() - 1) * (raised > 0)).gather(1, order)
    excess = rounded.square().sum(1, keepdim=True) - radius**2
    lower = (freed > 0) & (freed.cumsum(1) - freed < excess)
    lowered = torch.zeros_like(rounded).scatter(1, order, lower.to(rounded.dtype))
    return (rounded - rounded.sign() * lowered).view_as(values)
