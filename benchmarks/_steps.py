"""One PGD step and one training step, the product's and the textbook's, on the same pictures and the same weights.

The textbook is what one writes from the paper: fp32, NCHW, batch normalisation in eval mode as it stands, and
`loss.backward()`, which brings the gradients of all weights with it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from schemas.noise import NoiseBudget
from schemas.recipe import Recipe
from tasks.nn import networks, train
from tasks.nn.batches import to_float
from tasks.nn.fold import fold
from tasks.noise.pgd import descent, error_and_loss

SIZE, CLASSES = 32, 10
_BUDGET, _ALPHA, _RECIPE = NoiseBudget(), 0.25, Recipe()


@dataclass(frozen=True)
class Batch:
    """Random pictures uint8 [N, S, S, 3] and classes int64 [N], on the device."""

    images: Tensor
    labels: Tensor

    @property
    def x(self) -> Tensor:
        """Float [N, 3, S, S] in channels_last memory, as the product makes it."""
        return to_float(self.images)


def random_batch(count: int, device: torch.device) -> Batch:
    """`count` pictures from a fixed seed."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, SIZE, SIZE, 3), dtype=torch.uint8, generator=generator)
    return Batch(images.to(device), torch.randint(0, CLASSES, (count,), generator=generator).to(device))


def build(network: str, device: torch.device) -> nn.Module:
    """The network, in NCHW memory and train mode."""
    return build_ours(network, device).to(memory_format=torch.contiguous_format)


def build_ours(network: str, device: torch.device) -> nn.Module:
    """The network as the product holds it."""
    return networks.build(network, CLASSES, SIZE, 0).to(device)


def pgd(network: str, batch: Batch, steps: int) -> Callable[[], Tensor]:
    """The product's `steps` PGD steps on the batch."""
    model, solver, x = fold(build_ours(network, batch.images.device)), descent(_BUDGET, _ALPHA, steps), batch.x
    return lambda: solver(model, x, batch.labels, torch.zeros_like(x), None)


def textbook_pgd(network: str, batch: Batch, steps: int) -> Callable[[], Tensor]:
    """The same steps as the paper's equation 3 reads."""
    model, x, epsilon = build(network, batch.images.device).eval(), batch.x.contiguous(), _BUDGET.epsilon / 255

    def solve() -> Tensor:
        perturbed = x.clone()
        for _ in range(steps):
            perturbed = perturbed.detach().requires_grad_(True)
            model.zero_grad()
            functional.cross_entropy(model(perturbed), batch.labels).backward()
            moved = perturbed.detach() - _ALPHA * epsilon * perturbed.grad.sign()
            perturbed = (x + (moved - x).clamp(-epsilon, epsilon)).clamp(0, 1)
        return perturbed - x

    return solve


def training(network: str, batch: Batch) -> Callable[[], object]:
    """The product's training step, with the paper's recipe."""
    model, x = build_ours(network, batch.images.device).train(), batch.x
    optimizer = train.sgd(model, _RECIPE.lr, _RECIPE.momentum, _RECIPE.weight_decay)
    return lambda: train.step(model, optimizer, x, batch.labels, _RECIPE.clip)


def textbook_training(network: str, batch: Batch) -> Callable[[], object]:
    """The same step in fp32 and NCHW, same optimiser and clipping."""
    model, x = build(network, batch.images.device).train(), batch.x.contiguous()
    optimizer = train.sgd(model, _RECIPE.lr, _RECIPE.momentum, _RECIPE.weight_decay)

    def step() -> Tensor:
        loss = functional.cross_entropy(model(x), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), _RECIPE.clip)
        optimizer.step()
        return loss.detach()

    return step


def looking(network: str, batch: Batch) -> Callable[[], object]:
    """The product's forward pass alone, as a fit measures its error rate."""
    model, x = fold(build_ours(network, batch.images.device)), batch.x
    return lambda: error_and_loss(model, x, batch.labels)
