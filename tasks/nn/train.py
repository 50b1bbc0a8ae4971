"""The training loop that victims and source models share."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from infra.devices import autocast
from tasks.nn.batches import to_float
from tasks.nn.fold import fold

if TYPE_CHECKING:
    from schemas.recipe import Recipe

Augment = Callable[[Tensor, torch.Generator], Tensor]
_EVAL_BATCH = 128


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to: mean loss in nats, accuracy in percent on the pictures as they were seen."""

    epoch: int
    loss: float
    train_accuracy: float


def sgd(model: nn.Module, lr: float, momentum: float, weight_decay: float, nesterov: bool = False) -> torch.optim.SGD:
    """SGD over all of `model`'s parameters."""
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)


def step(
    model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, clip: float
) -> tuple[Tensor, Tensor]:
    """One optimiser step on float [N, 3, H, W] and int64 [N]; gives the mean loss and the count of right answers."""
    with autocast(x.device):
        logits = model(x)
    loss = functional.cross_entropy(logits.float(), y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss.detach(), (logits.detach().argmax(1) == y).sum()


def train(
    model: nn.Module, images: Tensor, labels: Tensor, recipe: "Recipe", augment: Augment, seed: int
) -> Iterator[Epoch]:
    """Train `model` in place on uint8 [N, H, W, 3] and int64 [N] on one device; yields after each epoch.

    `augment` maps a float batch [B, 3, H, W] and a generator to a batch of the same shape. Seeded: the same seed
    on the same kind of device gives the same run. Ends early when the loss is no longer a number; the last epoch
    yielded then has a loss that is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = sgd(model, recipe.lr, recipe.momentum, recipe.weight_decay, recipe.nesterov)
    batch = min(recipe.batch_size, len(images))
    per_epoch = max(1, len(images) // batch)
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        total_loss = torch.zeros((), device=images.device)
        correct = torch.zeros((), dtype=torch.int64, device=images.device)
        order = torch.randperm(len(images), generator=generator).to(images.device)
        for i in range(per_epoch):
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr * _factor(recipe, epoch - 1, i / per_epoch)
            chosen = order[i * batch : (i + 1) * batch]
            x = augment(to_float(images[chosen]), generator)
            loss, right = step(model, optimizer, x, labels[chosen], recipe.clip)
            total_loss += loss
            correct += right
        mean_loss = float(total_loss) / per_epoch
        yield Epoch(epoch, mean_loss, 100.0 * float(correct) / (per_epoch * batch))
        if not math.isfinite(mean_loss):
            return


def _factor(recipe: "Recipe", epoch: int, within: float) -> float:
    """Learning rate as a part of its peak, after `epoch` whole epochs and a part of the next."""
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))
    if recipe.schedule == "one-cycle":
        # Up for a quarter of the run, from a twenty-fifth, then down to nothing, both along a line.
        at = (epoch + within) / recipe.epochs
        return 0.04 + 0.96 * at / 0.25 if at < 0.25 else (1 - at) / 0.75
    return 1.0


@torch.no_grad()
def predict(model: nn.Module, images: Tensor) -> Tensor:
    """Answers int64 [N] of `model` in eval mode on uint8 [N, H, W, 3]; batch normalisation is folded for speed."""
    folded = fold(model)
    answers: list[Tensor] = []
    for chunk in images.split(_EVAL_BATCH):
        with autocast(images.device):
            answers.append(folded(to_float(chunk)).argmax(1))
    return torch.cat(answers)
