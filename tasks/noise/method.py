"""The two verbs of every method, and how a method's module is found.

A method is one module in tasks/noise/methods, named after its schema's `kind`, with all that `MethodModule` lists;
`VERSION` is raised whenever the same inputs would give other noise. What depends on the method is asked of its module,
so that a further one is that module and its schema, and nothing else.
"""

import importlib
from typing import TYPE_CHECKING, Protocol, cast

from torch import Tensor

from tasks.nn.batches import FitData
from tasks.noise.fitted import Batch, Fitted, NoiseSource, NoiseSpec
from tasks.noise.journal import Journal

if TYPE_CHECKING:
    from schemas.noise import NoiseMethod


class MakesNoise(Protocol):
    """Second verb: noise for any batch of samples."""

    def noise(self, batch: Batch) -> Tensor:
        """int8 [B, S, S, 3] in 1/255 steps, within the budget."""
        ...


class MethodModule(Protocol):
    """What a module in tasks/noise/methods offers."""

    VERSION: int

    def fit(self, spec: NoiseSpec, data: FitData, journal: Journal) -> Fitted:
        """First verb: fit noise to pictures."""
        ...

    def wanted_samples(self, method: "NoiseMethod") -> int | None:
        """How many pictures a fit asks for: None all of them, 0 none at all."""
        ...

    def fit_bytes(self, method: "NoiseMethod", samples: int, size: int, classes: int) -> int:
        """Bytes that a fit on `samples` pictures of side `size` holds at its peak, from above (memory.py has parts)."""
        ...

    def image_steps(self, method: "NoiseMethod", samples: int) -> int:
        """Gradient passes over a picture that a fit on `samples` pictures takes at most."""
        ...

    def shortened(self, method: "NoiseMethod") -> "NoiseMethod":
        """The method with the shortest fit there is: for a probe of its speed."""
        ...

    def uses_network(self, method: "NoiseMethod") -> bool:
        """True when a network makes the noise of each picture, on the device; else it is looked up or drawn."""
        ...

    def perturber(self, source: NoiseSource) -> MakesNoise:
        """What makes noise from a fit's tensors."""
        ...


def module_of(kind: str) -> MethodModule:
    """The module of the method called `kind`. Raises ModuleNotFoundError when there is none."""
    return cast(MethodModule, importlib.import_module(f"tasks.noise.methods.{kind.replace('-', '_')}"))


def fit(spec: NoiseSpec, data: FitData, journal: Journal) -> Fitted:
    """Fit the noise that is wanted to `data`; `journal` hears of each round and keeps its state."""
    return module_of(spec.method.kind).fit(spec, data, journal)


def perturber(source: NoiseSource) -> MakesNoise:
    """What makes noise for samples of any shard from a fit's tensors."""
    made = module_of(source.spec.method.kind).perturber(source)
    return _PositiveHalf(made) if source.spec.application.arithmetic == "as-published" else made


class _PositiveHalf:
    """Noise as the released code applied it: `clamp_(0, 255)` set every negative value to 0."""

    def __init__(self, signed: MakesNoise):
        self._signed = signed

    def noise(self, batch: Batch) -> Tensor:
        """See MakesNoise."""
        return self._signed.noise(batch).clamp_(min=0)
