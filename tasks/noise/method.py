"""The two verbs of every method, and how a method's module is found.

A method is one module in tasks/noise/methods, named after its schema's `kind`, with `fit`, `Perturber` and
`VERSION` (raised whenever the same inputs would give other noise).
"""

import importlib
from typing import TYPE_CHECKING, Protocol, cast

from torch import Tensor

from infra.keys import BucketKey
from tasks.noise.fitted import Batch, FitData, Fitted, NoiseSource
from tasks.noise.minmin import OnRound

if TYPE_CHECKING:
    from schemas.noise import NoiseMethod


class MakesNoise(Protocol):
    """Second verb: noise for any batch of samples."""

    def noise(self, batch: Batch) -> Tensor:
        """int8 [B, S, S, 3] in 1/255 steps, within +-epsilon."""
        ...


class MethodModule(Protocol):
    """What a module in tasks/noise/methods offers."""

    VERSION: int

    def fit(self, method: "NoiseMethod", epsilon: int, data: FitData, key: BucketKey, on_round: OnRound) -> Fitted:
        """First verb: fit noise to pictures."""
        ...

    def Perturber(self, source: NoiseSource) -> MakesNoise:  # noqa: N802 - a class, called
        """What makes noise from a fit's tensors."""
        ...


def module_of(kind: str) -> MethodModule:
    """The module of the method called `kind`. Raises ModuleNotFoundError when there is none."""
    return cast(MethodModule, importlib.import_module(f"tasks.noise.methods.{kind.replace('-', '_')}"))


def fit(method: "NoiseMethod", epsilon: int, data: FitData, key: BucketKey, on_round: OnRound) -> Fitted:
    """Fit `method`'s noise to `data` within +-epsilon steps of 1/255; `on_round` hears of each round."""
    return module_of(method.kind).fit(method, epsilon, data, key, on_round)


def perturber(source: NoiseSource) -> MakesNoise:
    """What makes noise for samples of any shard from a fit's tensors."""
    return module_of(source.method.kind).Perturber(source)
