"""Class-wise noise once fitted: one set of it, or two that are mixed, laid where the placement says."""

from collections.abc import Callable

import torch
from torch import Tensor

from tasks.noise.budget import to_steps
from tasks.noise.fitted import Batch, Fitted, NoiseSource, NoiseSpec
from tasks.noise.journal import Journal
from tasks.noise.placement import keyed, side_of
from tasks.noise.uniform import uniform


def fit_sets(spec: NoiseSpec, journal: Journal, fit_one: Callable[[str, Journal], Fitted], aim: float = 0.0) -> Fitted:
    """As many sets as the mixture needs, by `fit_one(name, journal)`: `noise` int8 [sets, classes, 3, side, side].

    The history is that of the set which came out weaker: one that missed its target, and of two that did, or did not,
    the one whose error, in the round that was kept, lies further from `aim`: 0 for noise that minimises it, 1 for noise
    that maximises it.
    """
    if spec.application.mixture != "two-sets":
        one = fit_one("0", journal)
        return Fitted({"noise": one.tensors["noise"][None]}, one.rounds, one.kept_round, one.stopped)
    both = [fit_one(name, journal.chapter(name)) for name in ("0", "1")]
    told = max(both, key=lambda one: _weakness(one, aim))
    noise = torch.stack([one.tensors["noise"] for one in both])
    return Fitted({"noise": noise}, told.rounds, told.kept_round, told.stopped)


def _weakness(one: Fitted, aim: float) -> tuple[bool, float]:
    error = next((each.error for each in one.rounds if each.round == one.kept_round), aim)
    return one.stopped not in {"at-lambda", "no-fit"}, abs(error - aim)


class ClassSets:
    """Makes the noise of samples from the sets: by class, and for a mixture by a keyed choice for each sample."""

    def __init__(self, source: NoiseSource):
        self._spec, self._size, self._classes = source.spec, source.size, source.tensors["noise"].shape[1]
        # [sets * classes, side, side, 3], laid out as pictures are: so a look-up is a copy of rows, and no more.
        self._rows = source.tensors["noise"].flatten(0, 1).permute(0, 2, 3, 1).contiguous()

    def noise(self, batch: Batch) -> Tensor:
        """Noise int8 [B, S, S, 3] in 1/255 steps, within the budget."""
        spec = self._spec
        patches = self._patches(batch)
        places = keyed(spec.application.placement, batch.keys, self._size, spec.key)
        return patches if places is None else places.embed(patches.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def _patches(self, batch: Batch) -> Tensor:
        """int8 [B, side, side, 3]."""
        spec, rows = self._spec, batch.labels.cpu()
        mixture = spec.application.mixture
        if mixture == "two-sets":
            rows = rows + self._classes * torch.tensor([int(2 * spec.key.unit("mixture", name)) for name in batch.keys])
        found = self._rows.index_select(0, rows)
        if mixture != "with-uniform":
            return found
        side = side_of(spec.application.placement, self._size)
        draws = [uniform(spec.budget, side, spec.key.wide_seed("mixture", name)) for name in batch.keys]
        both = found.permute(0, 3, 1, 2).to(torch.int16) + torch.stack(draws)  # int8 holds no sum of epsilons of 64
        return to_steps(both / 255, spec.budget).permute(0, 2, 3, 1)
