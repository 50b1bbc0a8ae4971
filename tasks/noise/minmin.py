"""Min-min optimisation (Huang et al. 2021, section 3.2): a source model and the noise, turn by turn.

One round: M optimiser steps of the model on perturbed pictures (train mode), one noise step with the model in
eval mode, then the error rate on the perturbed pictures. Error by round is not monotone, so the round of lowest
error is kept. No augmentation, no normalisation. After each round the whole state goes to the journal, so that a
fit that was killed gives the same noise as one that was not.
"""

import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from infra.errors import DataError
from tasks.nn import networks
from tasks.nn.batches import Endless, FitData, to_float
from tasks.nn.fold import fold
from tasks.nn.train import sgd, step
from tasks.noise.fitted import Round, Stopped
from tasks.noise.journal import Journal
from tasks.noise.measure import measure
from tasks.noise.tensors import copied, prefixed, under

if TYPE_CHECKING:
    from schemas.noise import MinMin


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

    def state(self) -> dict[str, Tensor]:
        """All that the noise needs to go on from here."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from where a `state` stood."""
        ...


@dataclass(frozen=True)
class Kept:
    """The best round so far: its number, error and loss, the source model's state, and the noise as whole steps.

    `noise` is empty where nobody asks for it.
    """

    number: int
    error: float
    loss: float
    model: dict[str, Tensor]
    noise: Tensor


@dataclass(frozen=True)
class Outcome:
    """The kept round, the history, and why the fit ended."""

    kept: Kept
    rounds: tuple[Round, ...]
    stopped: Stopped


def run(
    method: "MinMin", data: FitData, state: NoiseState, seed: int, journal: Journal, keep_noise: bool = True
) -> Outcome:
    """Rounds of min-min until the error is at lambda or the cap of rounds is reached; goes on from `journal`.

    `keep_noise` False: the kept round has its model alone, and a checkpoint is nearly half as large. Ends early when
    the loss is no longer a number. Raises DataError when no round was kept by then.
    """
    fit = _Fit(method, data, state, seed, keep_noise)
    saved = journal.load(set(fit.checkpoint()[0]))
    if saved is not None:
        fit.restore(*saved)
    while not fit.over():
        fit.round()
        journal.save(*fit.checkpoint())
        journal.heard(fit.rounds[-1])
    return fit.outcome()


class _Fit:
    """A fit under way."""

    def __init__(self, method: "MinMin", data: FitData, state: NoiseState, seed: int, keep_noise: bool):
        self._method, self._data, self._state, self._keep_noise = method, data, state, keep_noise
        model = networks.build(method.source_model, data.classes, data.size, seed, method.widths)
        self._model = model.to(data.images.device)
        self._optimizer = sgd(self._model, method.lr, method.momentum, method.weight_decay)
        generator = torch.Generator().manual_seed(seed)
        # The iterator runs on through the rounds; it does not start again in each.
        self._batches = Endless(len(data.images), method.batch_size, generator)
        self.rounds: list[Round] = []
        self._kept: Kept | None = None

    def over(self) -> bool:
        """True when lambda or the cap is reached, or the loss is no longer a number."""
        if not self.rounds:
            return False
        last, method = self.rounds[-1], self._method
        # A network with NaN in it answers class 0 to everything, and stays so.
        lost, capped = not math.isfinite(last.loss), last.round >= method.max_rounds
        return lost or capped or (last.round >= self._first() and last.error <= method.stop_error)

    def _first(self) -> int:
        # A source model that has learnt the pictures themselves has a low error before the noise is worth anything.
        return min(self._method.min_rounds, self._method.max_rounds)

    def round(self) -> None:
        """One round; keeps it when it is the best."""
        started, number = time.perf_counter(), len(self.rounds) + 1
        passes = self._model_steps()
        frozen = fold(self._model)
        passes += self._state.improve(frozen)
        error, loss = measure(frozen, self._data, self._state.look_up, self._method.batch_size)
        self.rounds.append(Round(number, error, loss, time.perf_counter() - started, passes))
        if not math.isfinite(loss) or number < self._first():
            return
        if self._kept is None or (error, loss) < (self._kept.error, self._kept.loss):
            noise = self._state.snapshot() if self._keep_noise else torch.empty(0, dtype=torch.int8)
            self._kept = Kept(number, error, loss, copied(self._model.state_dict()), noise)

    def _model_steps(self) -> int:
        data, passes = self._data, 0
        self._model.train()
        for _ in range(self._method.model_steps):
            chosen = next(self._batches).to(data.images.device)
            # As in the released code, the perturbed picture is not clamped to [0, 1] here.
            x = to_float(data.images[chosen]) + self._state.look_up(chosen)
            step(self._model, self._optimizer, x, data.labels[chosen], self._method.clip)
            passes += len(chosen)
        return passes

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that the next round depends on, and what was kept."""
        parameters = list(self._model.parameters())
        momenta = {str(i): self._optimizer.state[p].get("momentum_buffer") for i, p in enumerate(parameters)}
        tensors = {
            **prefixed("model", copied(self._model.state_dict())),
            **prefixed("momentum", {name: m.cpu().contiguous() for name, m in momenta.items() if m is not None}),
            **prefixed("batches", self._batches.state()),
            **prefixed("noise", self._state.state()),
        }
        notes: dict[str, Any] = {"rounds": [asdict(one) for one in self.rounds], "kept": None}
        if self._kept is not None:
            kept = self._kept
            notes["kept"] = [kept.number, kept.error, kept.loss]
            tensors |= prefixed("kept", {"noise": kept.noise, **prefixed("model", kept.model)})
        return tensors, notes

    def restore(self, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._model.load_state_dict(under("model", tensors))
        parameters, momenta = list(self._model.parameters()), under("momentum", tensors)
        for name, momentum in momenta.items():
            like = parameters[int(name)]
            self._optimizer.state[like]["momentum_buffer"] = torch.empty_like(like).copy_(momentum)
        self._batches.restore(under("batches", tensors))
        self._state.restore(under("noise", tensors))
        self.rounds = [Round(**one) for one in notes["rounds"]]
        if notes["kept"] is not None:
            kept = under("kept", tensors)
            self._kept = Kept(*notes["kept"], model=under("model", kept), noise=kept["noise"])

    def outcome(self) -> Outcome:
        """What the fit came to. Raises DataError when no round can be kept."""
        if self._kept is None:
            raise DataError(
                f"the source model's loss is not a number in round {len(self.rounds)}",
                "give the source model a smaller learning rate in method.lr",
            )
        return Outcome(self._kept, tuple(self.rounds), self._why(self._kept))

    def _why(self, kept: Kept) -> Stopped:
        if kept.error <= self._method.stop_error:
            return "at-lambda"
        return "at-cap" if math.isfinite(self.rounds[-1].loss) else "diverged"
