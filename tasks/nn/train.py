"""The training loop that victims and source models share."""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from infra.devices import autocast
from tasks.nn import dropout
from tasks.nn.batches import Batches, to_float
from tasks.nn.fold import fold

if TYPE_CHECKING:
    from schemas.recipe import Recipe

# What is done to a batch before the network learns from it: the network as it is, pictures float [B, 3, H, W] in
# [0, 1], classes int64 [B] (or shares of them, float [B, K], from a change before), and the run's generator, from which
# all that is random is drawn. Gives pictures of the same shape, and classes in either way.
Change = Callable[[nn.Module, Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
_EVAL_BATCH = 128


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to: mean loss in nats, accuracy in percent on the pictures as they were seen."""

    epoch: int
    loss: float
    train_accuracy: float


def chain(*changes: Change) -> Change:
    """One change after the other."""

    def all_of_them(model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        for change in changes:
            x, y = change(model, x, y, generator)
        return x, y

    return all_of_them


def sgd(model: nn.Module, lr: float, momentum: float, weight_decay: float, nesterov: bool = False) -> torch.optim.SGD:
    """SGD over all of `model`'s parameters that ask for a gradient."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.SGD(trained, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)


def step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    clip: float,
    draws: contextlib.AbstractContextManager[None] | None = None,
) -> tuple[Tensor, Tensor]:
    """One optimiser step on float [N, 3, H, W] and int64 [N], or float [N, K] shares of the classes.

    Gives the mean loss and the count of right answers; where classes are mixed, the largest share is the right one.
    The network draws within `draws`, if at all.
    """
    with draws or contextlib.nullcontext(), autocast(x.device):
        logits = model(x)
    loss = functional.cross_entropy(logits.float(), y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    truth = y if y.dim() == 1 else y.argmax(1)
    return loss.detach(), (logits.detach().argmax(1) == truth).sum()


class Training:
    """A run of `model`, trained in place, that can be stopped after any epoch and gone on with from its state.

    Seeded: the same seed on the same kind of device gives the same run, stopped or not.
    """

    def __init__(self, model: nn.Module, batches: Batches, recipe: "Recipe", change: Change, seed: int):
        self._model, self._batches, self._recipe, self._change = model, batches, recipe, change
        self._generator = torch.Generator().manual_seed(seed)
        self._optimizer = sgd(model, recipe.lr, recipe.momentum, recipe.weight_decay, recipe.nesterov)
        self._done = 0

    def epochs(self) -> Iterator[Epoch]:
        """Train from where it stands; yields after each epoch.

        Ends early when the loss is no longer a number; the last epoch yielded then has a loss that is not finite.
        """
        while self._done < self._recipe.epochs:
            epoch = self._epoch()
            self._done += 1
            yield epoch
            if not math.isfinite(epoch.loss):
                return

    def _epoch(self) -> Epoch:
        recipe, steps, seen = self._recipe, 0, 0
        self._model.train()
        has_dropout = dropout.is_in(self._model)
        device = next(self._model.parameters()).device
        total_loss = torch.zeros((), device=device)
        correct = torch.zeros((), dtype=torch.int64, device=device)
        per_epoch = self._batches.per_epoch(recipe.batch_size)
        for images, labels in self._batches.epoch(recipe.batch_size, self._generator):
            for group in self._optimizer.param_groups:
                group["lr"] = recipe.lr * _factor(recipe, self._done, steps / per_epoch)
            x, y = self._change(self._model, to_float(images), labels, self._generator)
            draws = dropout.drawn_from(self._generator, device) if has_dropout else None
            loss, right = step(self._model, self._optimizer, x, y, recipe.clip, draws)
            total_loss += loss
            correct += right
            steps, seen = steps + 1, seen + len(images)
        return Epoch(self._done + 1, float(total_loss) / steps, 100.0 * float(correct) / seen)

    def state(self) -> dict[str, Tensor]:
        """Where it stands: weights, momentum, generator and epochs done, by name; a copy, on the CPU."""
        weights = {f"model.{name}": tensor for name, tensor in self._model.state_dict().items()}
        momentum = {
            f"momentum.{i}": self._optimizer.state[parameter]["momentum_buffer"]
            for i, parameter in enumerate(self._trained())
            if self._optimizer.state.get(parameter, {}).get("momentum_buffer") is not None
        }
        done = {"epochs": torch.tensor(self._done), "generator": self._generator.get_state()}
        found = {**weights, **momentum, **done}
        return {name: torch.empty(one.shape, dtype=one.dtype).copy_(one.detach()) for name, one in found.items()}

    def restore(self, state: dict[str, Tensor]) -> bool:
        """Go on from where a `state` stood. False, and nothing happens, when it is not of a run of such a network."""
        if not self._fits(state):
            return False
        self._model.load_state_dict(_weights(state))
        for i, parameter in enumerate(self._trained()):
            kept = state.get(f"momentum.{i}")
            if kept is not None:
                # In the layout of its weights, as it is without a stop: sums must be the same to the last bit.
                self._optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(kept)
        self._done = int(state["epochs"])
        self._generator.set_state(state["generator"])
        return True

    def _fits(self, state: dict[str, Tensor]) -> bool:
        parts = {f"momentum.{i}": parameter for i, parameter in enumerate(self._trained())}
        momentum = {name: tensor for name, tensor in state.items() if name.startswith("momentum.")}
        if not {"epochs", "generator"} <= state.keys() or not momentum.keys() <= parts.keys():
            return False
        same = all(tensor.shape == parts[name].shape for name, tensor in momentum.items())
        return same and _shapes(_weights(state)) == _shapes(self._model.state_dict())

    def _trained(self) -> list[nn.Parameter]:
        return self._optimizer.param_groups[0]["params"]


def _weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("model."): tensor for name, tensor in state.items() if name.startswith("model.")}


def _shapes(tensors: dict[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (one.shape, one.dtype) for name, one in tensors.items()}


def _factor(recipe: "Recipe", epoch: int, within: float) -> float:
    """Learning rate as a part of its peak, after `epoch` whole epochs and a part of the next."""
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))
    if recipe.schedule == "one-cycle":
        # Up for a quarter of the run, from a twenty-fifth, then down to nothing, both along a line.
        at = (epoch + within) / recipe.epochs
        return 0.04 + 0.96 * at / 0.25 if at < 0.25 else (1 - at) / 0.75
    if recipe.schedule == "steps":
        return 0.1 ** sum(epoch >= part * recipe.epochs for part in (0.75, 0.9))
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
