"""What a countermeasure does, and how its module is found.

A countermeasure is one module in tasks/evaluate/countermeasures, named after its schema's `kind`, with a function
`treatment(countermeasure) -> Treatment`. It is told nothing of how pictures were protected.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from torch import Tensor

from tasks.nn.train import Change

if TYPE_CHECKING:
    from schemas.countermeasures import Countermeasure

# Pictures uint8 [N, S, S, 3] to the same shape and type, each by itself; the input is left as it is.
Pictures = Callable[[Tensor], Tensor]
# What has to look at training pictures uint8 [N, S, S, 3] and classes int64 [N] first, with a seed for what it draws.
Learn = Callable[[Tensor, Tensor, int], Pictures]


@dataclass(frozen=True)
class Treatment:
    """What a countermeasure does to training, in any of four ways; all of them None or 0: nothing.

    `pictures` is done once to every training picture, before training. `learn` is shown training pictures (all, or a
    bounded sample of a dataset too large for memory) and gives such a map. `change` is done to each batch as the
    network learns from it, after the recipe's augmentation. `clean_share` is the share of the pictures, 0 to 1, of
    which the host has the original too, and trains on that instead.
    """

    pictures: Pictures | None = None
    learn: Learn | None = None
    change: Change | None = None
    clean_share: float = 0.0


class CountermeasureModule(Protocol):
    """What a module in tasks/evaluate/countermeasures offers. `VERSION` is raised whenever its effect changes."""

    VERSION: int

    def treatment(self, countermeasure: "Countermeasure") -> Treatment:
        """What it does."""
        ...

    def smallest(self, countermeasure: "Countermeasure") -> int:
        """The smallest side in pixels of pictures that it can be done to."""
        ...


def module_of(countermeasure: "Countermeasure") -> CountermeasureModule:
    """The module of a countermeasure's kind. Raises ModuleNotFoundError when there is none."""
    name = countermeasure.kind.replace("-", "_")
    return cast(CountermeasureModule, importlib.import_module(f"tasks.evaluate.countermeasures.{name}"))


def most_classes(countermeasure: "Countermeasure", size: int) -> int | None:
    """How many classes a countermeasure takes of pictures of side `size`; None: any number.

    Only a module that has a bound offers a function `most_classes(size)`.
    """
    bound = getattr(module_of(countermeasure), "most_classes", None)
    return None if bound is None else int(bound(size))


def treatment_of(countermeasure: "Countermeasure") -> Treatment:
    """What a countermeasure does."""
    return module_of(countermeasure).treatment(countermeasure)
