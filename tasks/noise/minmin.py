"""Min-min optimisation (Huang et al. 2021, section 3.2): a source model and the noise, turn by turn.

One round: M optimiser steps of the model on perturbed pictures (train mode), one noise step with the model in
eval mode, then the error rate on the perturbed pictures. Error by round is not monotone, so the round of lowest
error is kept. No augmentation, no normalisation.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from infra.errors import DataError
from tasks.nn import networks
from tasks.nn.batches import endless, to_float
from tasks.nn.fold import fold
from tasks.nn.train import sgd, step
from tasks.noise.fitted import FitData, Round, Stopped
from tasks.noise.pgd import error_and_loss

if TYPE_CHECKING:
    from schemas.noise import ErrorMinimizing

OnRound = Callable[[Round], None]


class NoiseState(Protocol):
    """The noise during a fit: how it is looked up, and how one noise step changes it."""

    def look_up(self, chosen: Tensor) -> Tensor:
        """Noise float [B, 3, S, S] in [0, 1] units for the samples at int64 [B] `chosen`."""
        ...

    def improve(self, model: nn.Module) -> int:
        """One noise step against a frozen, folded model; gives the gradient passes over a picture that it took."""
        ...

    def snapshot(self) -> Tensor:
        """The noise as it stands, int8 in 1/255 steps."""
        ...


@dataclass(frozen=True)
class Outcome:
    """The kept round: its model and noise (int8 in 1/255 steps), the history, and why the fit ended."""

    model: nn.Module
    noise: Tensor
    rounds: tuple[Round, ...]
    kept: int
    stopped: Stopped


def run(method: "ErrorMinimizing", data: FitData, state: NoiseState, seed: int, on_round: OnRound) -> Outcome:
    """Rounds of min-min until the error is at lambda or the cap of rounds is reached.

    Ends early when the loss is no longer a number. Raises DataError when no round was kept by then.
    """
    model = networks.build(method.source_model, data.classes, data.size, seed, method.widths)
    model = model.to(data.images.device).to(memory_format=torch.channels_last)
    optimizer = sgd(model, method.lr, method.momentum, method.weight_decay)
    generator = torch.Generator().manual_seed(seed)
    # The iterator runs on through the rounds; it does not start again in each.
    batches = endless(len(data.images), min(method.batch_size, len(data.images)), generator)
    rounds: list[Round] = []
    # A source model that has learnt the pictures themselves has a low error before the noise is worth anything.
    first = min(method.min_rounds, method.max_rounds)
    best: tuple[float, float] = (math.inf, math.inf)
    kept, kept_model, kept_noise = 0, model, state.snapshot()
    for number in range(1, method.max_rounds + 1):
        started = time.perf_counter()
        passes = _model_steps(method, model, optimizer, data, state, batches)
        frozen = fold(model)
        passes += state.improve(frozen)
        error, loss = _measure(frozen, data, state, method.batch_size)
        rounds.append(Round(number, error, loss, time.perf_counter() - started, passes))
        on_round(rounds[-1])
        if not math.isfinite(loss):
            break  # a network with NaN in it answers class 0 to everything, and stays so
        if number >= first and (error, loss) < best:
            best = (error, loss)
            kept, kept_model, kept_noise = number, copy.deepcopy(model), state.snapshot()
        if number >= first and error <= method.stop_error:
            break
    if kept == 0:
        raise DataError(
            f"the source model's loss is not a number in round {len(rounds)}", "fit with a smaller learning rate"
        )
    stopped: Stopped = "at-lambda" if best[0] <= method.stop_error else "at-cap"
    return Outcome(kept_model, kept_noise, tuple(rounds), kept, stopped)


def _model_steps(
    method: "ErrorMinimizing",
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: FitData,
    state: NoiseState,
    batches: Iterator[Tensor],
) -> int:
    model.train()
    passes = 0
    for _ in range(method.model_steps):
        chosen = next(batches).to(data.images.device)
        # As in the released code, the perturbed picture is not clamped to [0, 1] here.
        x = to_float(data.images[chosen]) + state.look_up(chosen)
        step(model, optimizer, x, data.labels[chosen], method.clip)
        passes += len(chosen)
    return passes


def _measure(model: nn.Module, data: FitData, state: NoiseState, batch: int) -> tuple[float, float]:
    """Error rate (0 to 1) and mean loss (nats) of a frozen model on all perturbed pictures, clamped to [0, 1]."""
    wrong, loss = torch.zeros((), dtype=torch.int64), torch.zeros(())
    wrong, loss = wrong.to(data.images.device), loss.to(data.images.device)
    for chosen in torch.arange(len(data.images), device=data.images.device).split(batch):
        x = (to_float(data.images[chosen]) + state.look_up(chosen)).clamp_(0, 1)
        more_wrong, more_loss = error_and_loss(model, x, data.labels[chosen])
        wrong += more_wrong
        loss += more_loss
    return float(wrong) / len(data.images), float(loss) / len(data.images)
