"""Class-wise noise during a fit: one tensor a class."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.nn.batches import to_float
from tasks.noise.fitted import FitData, to_steps
from tasks.noise.pgd import minimise

if TYPE_CHECKING:
    from schemas.noise import ErrorMinimizing


class ClassWise:
    """One noise a class. A noise step runs over a stratified subset, drawn once.

    In a batch each sample takes PGD steps from its class's noise; then the class's noise becomes the mean over
    the batch's samples of that class, clamped to the budget: the mean of signed steps, not the sign of the mean
    gradient. A class absent from a batch keeps its noise.
    """

    def __init__(self, method: "ErrorMinimizing", epsilon: int, data: FitData, seed: int):
        self._method, self._data, self._steps = method, data, epsilon
        self._epsilon = epsilon / 255
        side, device = data.size, data.images.device
        self._noise = torch.zeros(data.classes, 3, side, side, device=device)
        self._noise = self._noise.to(memory_format=torch.channels_last)
        self._generator = torch.Generator().manual_seed(seed)
        self._subset = stratified(data.labels.cpu(), method.subset, self._generator)

    def look_up(self, chosen: Tensor) -> Tensor:
        """See minmin.NoiseState."""
        return self._noise[self._data.labels[chosen]]

    def improve(self, model: nn.Module) -> int:
        """See minmin.NoiseState."""
        method = self._method
        order = self._subset[torch.randperm(len(self._subset), generator=self._generator)]
        for chunk in order.split(method.batch_size):
            chosen = chunk.to(self._noise.device)
            labels = self._data.labels[chosen]
            x = to_float(self._data.images[chosen])
            alpha = method.alpha * self._epsilon
            eta = minimise(
                model, x, labels, self._noise[labels], epsilon=self._epsilon, alpha=alpha, steps=method.steps
            )
            self._take_means(eta, labels)
        return method.steps * len(order)

    def _take_means(self, eta: Tensor, labels: Tensor) -> None:
        sums = torch.zeros_like(self._noise).index_add_(0, labels, eta)
        counts = torch.bincount(labels, minlength=len(self._noise))
        present = counts > 0
        means = sums[present] / counts[present].view(-1, 1, 1, 1)
        self._noise[present] = means.clamp_(-self._epsilon, self._epsilon)

    def snapshot(self) -> Tensor:
        """int8 [classes, 3, S, S] in 1/255 steps."""
        return to_steps(self._noise, self._steps).cpu().contiguous()


def stratified(labels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Indices int64 of a random `share` of each class's samples, at least one of each class that has any."""
    order = torch.randperm(len(labels), generator=generator)
    shuffled = labels[order]
    parts: list[Tensor] = []
    for label in torch.unique(labels):
        members = order[shuffled == label]
        parts.append(members[: max(1, round(share * len(members)))])
    return torch.cat(parts)
