"""Class-wise noise during a fit: one tensor a class."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tasks.nn.batches import FitData, to_float
from tasks.noise.budget import to_steps, within
from tasks.noise.fitted import NoiseSpec
from tasks.noise.pgd import Solver
from tasks.noise.placement import Places, drawn, on, side_of

if TYPE_CHECKING:
    from schemas.noise import ErrorMaximizing, MinMin


class ClassWise:
    """One noise a class. A noise step runs over a stratified subset, drawn once.

    In a batch each sample's noise is bettered from its class's; then the class's noise becomes the mean over the
    batch's samples of that class, brought within the budget: for PGD the mean of signed steps, not the sign of the
    mean gradient. A class absent from a batch keeps its noise. A patch lies at a fresh random place of each picture
    whenever it is looked up.
    """

    def __init__(self, method: "MinMin | ErrorMaximizing", spec: NoiseSpec, solver: Solver, data: FitData, seed: int):
        self._method, self._spec, self._solver, self._data = method, spec, solver, data
        side, device = side_of(spec.application.placement, data.size), data.images.device
        self._noise = torch.zeros(data.classes, 3, side, side, device=device)
        self._noise = self._noise.to(memory_format=torch.channels_last)
        self._generator = torch.Generator().manual_seed(seed)
        self._subset = stratified(data.labels.cpu(), method.subset, self._generator)

    def look_up(self, chosen: Tensor) -> Tensor:
        """See minmin.NoiseState."""
        noise = self._noise[self._data.labels[chosen]]
        places = self._places(len(chosen))
        return noise if places is None else places.embed(noise)

    def improve(self, model: nn.Module) -> int:
        """See minmin.NoiseState."""
        method = self._method
        order = self._subset[torch.randperm(len(self._subset), generator=self._generator)]
        for chunk in order.split(method.batch_size):
            chosen = chunk.to(self._noise.device)
            labels = self._data.labels[chosen]
            self._take_means(self._bettered(model, to_float(self._data.images[chosen]), labels), labels)
        return method.steps * len(order)

    def _bettered(self, model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
        """Each sample's own noise, one solver's run from its class's: float [B, 3, side, side]."""
        places = self._places(len(x))
        if places is None:
            return self._solver(model, x, labels, self._noise[labels], None)
        full = self._solver(model, x, labels, places.embed(self._noise[labels]), places.mask())
        return places.extract(full)

    def _places(self, count: int) -> Places | None:
        places = drawn(self._spec.application.placement, count, self._data.size, self._generator)
        return on(places, self._noise.device)

    def _take_means(self, eta: Tensor, labels: Tensor) -> None:
        # The batch's classes alone: there may be thousands of others. The host waits for a GPU here, once a batch.
        present, row, counts = labels.unique(return_inverse=True, return_counts=True)
        sums = torch.zeros_like(self._noise[present]).index_add_(0, row, eta)
        self._noise[present] = within(sums / counts.view(-1, 1, 1, 1), self._spec.budget)

    def snapshot(self) -> Tensor:
        """int8 [classes, 3, side, side] in 1/255 steps."""
        return to_steps(self._noise, self._spec.budget, self._spec.truncated).cpu().contiguous()

    def state(self) -> dict[str, Tensor]:
        """See minmin.NoiseState."""
        return {"noise": self._noise.cpu().contiguous(), "generator": self._generator.get_state()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See minmin.NoiseState."""
        self._noise.copy_(state["noise"])
        self._generator.set_state(state["generator"])


def stratified(labels: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Indices int64 of a random `share` of each class's samples, at least one of each class that has any."""
    order = torch.randperm(len(labels), generator=generator)
    shuffled = labels[order]
    parts: list[Tensor] = []
    for label in torch.unique(labels):
        members = order[shuffled == label]
        parts.append(members[: max(1, round(share * len(members)))])
    return torch.cat(parts)
