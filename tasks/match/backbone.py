"""Likeness of classes to a pretrained network of torchvision's whose weights are at hand; nothing is downloaded."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from infra.errors import ConfigurationError
from tasks.match.class_means import class_means
from tasks.nn.batches import FitData


@dataclass(frozen=True)
class Backbone:
    """A network in eval mode whose output is its penultimate layer's, and the pictures that it was trained on.

    Those had a side of `side` pixels, and the `mean` and deviation `std`, float [3, 1, 1], were taken off them.
    """

    network: nn.Module
    side: int
    mean: Tensor
    std: Tensor

    def features(self, x: Tensor) -> Tensor:
        """Features [B, D] of float [B, 3, S, S] in [0, 1]."""
        x = functional.interpolate(x, size=(self.side, self.side), mode="bilinear", antialias=True)
        return self.network((x - self.mean) / self.std).flatten(1)


def load(name: str, device: torch.device) -> Backbone:
    """The torchvision classification network `name` with its pretrained weights, on `device`.

    Raises ConfigurationError when there is no such network, its weights are not in torch's hub cache, or the file
    there doesn't hold them.
    """
    from torchvision import models  # slow to import

    known = models.list_models(module=models)
    if name not in known:
        raise ConfigurationError(f"torchvision has no network called {name}", f"choose one of {', '.join(known)}")
    weights: Any = models.get_model_weights(name)
    weights = weights.DEFAULT
    file = Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(urlparse(weights.url).path).name
    state = _read(file, name)
    # Initialising draws from the global generator, which is none of ours.
    with torch.random.fork_rng(devices=[]):
        network = models.get_model(name, weights=None)
    if hasattr(network, "transform_input"):
        # googlenet and inception_v3 bring pictures from their preset's scale to the one that they were trained on.
        vars(network)["transform_input"] = True
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{file} doesn't fit {name}", "choose another backbone, or leave it out") from error
    preset = weights.transforms()
    mean, std = (torch.tensor(values, device=device).view(3, 1, 1) for values in (preset.mean, preset.std))
    network = _without_head(network, name).eval().requires_grad_(False).to(device)
    return Backbone(network.to(memory_format=torch.channels_last), preset.crop_size[0], mean, std)


def scores(backbone: Backbone, private: FitData, public: FitData, tell: Callable[[str], None]) -> NDArray[np.float64]:
    """Likeness of class means in the space of the features: float [private, public] in 0..1, 0.5 for unrelated ones.

    It is (1 + cosine) / 2, taken from the mean of the public classes' means: from the origin, features that are
    never negative make all classes look alike. `tell` hears of each dataset.
    """
    means: list[NDArray[np.float64]] = []
    for which, data in (("public", public), ("private", private)):
        means.append(class_means(backbone.features, data))
        tell(f"{which} pictures")
    there = np.bincount(private.labels.cpu().numpy(), minlength=private.classes) > 0
    origin = means[0].mean(axis=0)
    likeness = _unit(means[1] - origin) @ _unit(means[0] - origin).T
    # Of a class without a picture nothing is known.
    return np.where(there[:, None], (1 + likeness.clip(-1, 1)) / 2, 0.0)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _read(file: Path, name: str) -> Any:
    """The weights in `file`. Raises ConfigurationError."""
    mend = "leave the backbone out, or put the file there"
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        problem = f"the pretrained weights of {name} are not at hand: {file.name} is not in {file.parent}"
        raise ConfigurationError(problem, mend) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ConfigurationError(f"{file} can't be read as the weights of {name}", mend) from error


def _without_head(network: nn.Module, name: str) -> nn.Module:
    """`network` with its last linear layer, the one that names the classes, left out. Raises ConfigurationError."""
    linear = [path for path, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ConfigurationError(f"{name} doesn't end in a linear layer", "choose another backbone, such as resnet18")
    parent, _, head = linear[-1].rpartition(".")
    setattr(network.get_submodule(parent), head, nn.Identity())
    return network
