"""Classes matched by what they look like to a network."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from infra.keys import BucketKey
from tasks.match import assignment, backbone, source_model
from tasks.nn.batches import FitData

if TYPE_CHECKING:
    from schemas.matching import Matching

# From private and public pictures to scores: how like each private class each public one is, float [private, public]
# in 0..1.
Embedder = Callable[[FitData, FitData], NDArray[np.float64]]


def embedder(matching: "Matching", key: BucketKey, device: torch.device, tell: Callable[[str], None]) -> Embedder:
    """The network whose view of the classes is taken; `tell` hears of each of its `steps`.

    Raises ConfigurationError when a backbone is asked for that can't be had.
    """
    if matching.backbone is not None:
        return partial(backbone.scores, backbone.load(matching.backbone, device), tell=tell)
    seed = key.seed("match", "source-model")
    return partial(source_model.scores, recipe=matching.training, seed=seed, tell=tell)


def name_of(matching: "Matching") -> str:
    """The embedder's name, as the record of a mapping gives it."""
    return matching.backbone or f"{source_model.NETWORK}, trained on the public data"


def steps(matching: "Matching") -> tuple[int, str]:
    """How many steps an embedder tells of, and what they are."""
    return (matching.training.epochs, "epochs") if matching.backbone is None else (2, "datasets")


def match(
    assign: str,
    embed: Embedder,
    private: tuple[Sequence[str], FitData],
    public: tuple[Sequence[str], FitData],
) -> list[assignment.Match]:
    """Match classes, each dataset given as its class names and its pictures; in the order of the private classes.

    `assign` is one-to-one or many-to-one. A public class without a picture is matched with none. Raises
    ConfigurationError when one-to-one finds fewer public than private classes, before anything is trained.
    """
    names, pictures = with_pictures(*public)
    if assign == "one-to-one":
        assignment.check_enough(len(private[0]), len(names))
    return assignment.matches(embed(private[1], pictures), private[0], names, assign)


def labelled_by(chosen: Sequence[str], names: Sequence[str], data: FitData) -> FitData:
    """`data` with classes by their places in `chosen`: the classes of all its pictures, by their `names`."""
    places = torch.full((len(names),), -1, device=data.labels.device)
    places[[names.index(name) for name in chosen]] = torch.arange(len(chosen), device=data.labels.device)
    return replace(data, labels=places[data.labels], classes=len(chosen))


def with_pictures(names: Sequence[str], data: FitData) -> tuple[list[str], FitData]:
    """The classes of which there is a picture, and the same pictures labelled by their places among these."""
    there, labels = data.labels.unique(return_inverse=True)
    return [names[int(i)] for i in there], replace(data, labels=labels, classes=len(there))
