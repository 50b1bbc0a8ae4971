"""Networks of torchvision's with pretrained weights that are at hand; nothing is ever downloaded.

torchvision is slow to import, so functions import it themselves.
"""

import copy
import functools
import pickle
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import urlparse

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from infra.errors import ConfigurationError
from tasks.nn.seeding import seeded

_MEND = "leave the backbone out, or put the file there"
# Second classifiers of GoogLeNet and Inception v3, for their first training only; they would be outputs of their own.
_SECOND = ("aux1", "aux2", "AuxLogits")
# torchvision's files of DenseNets name some layers by an older habit: norm.1 for norm1.
_OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


@dataclass(frozen=True)
class Pretrained:
    """A classification network with its pretrained weights, on the CPU, and the pictures that it was trained on.

    Those had a side of `side` pixels, and the `mean` and deviation `std`, float [3, 1, 1], were taken off them. `head`
    is the path of its last linear layer, the one that names the classes, which takes `features` numbers.
    """

    network: nn.Module
    head: str
    features: int
    side: int
    mean: Tensor
    std: Tensor

    def normalised(self) -> nn.Module:
        """What has to be done to pictures in [0, 1] first.

        Our own networks see pictures as they are, as in the paper; this one learnt its filters on normalised ones.
        """
        return Normalised(self.mean, self.std)

    def replace_head(self, head: nn.Module) -> None:
        """Put `head` into the last layer's place."""
        parent, _, name = self.head.rpartition(".")
        setattr(self.network.get_submodule(parent), name, head)


class Normalised(nn.Module):
    """Takes the pictures' mean and deviation off float [N, 3, S, S] in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, x: Tensor) -> Tensor:
        """Map float [N, 3, S, S] to the same shape."""
        return (x - self.mean) / self.std


def load(name: str, file: str | None = None, mend: str = _MEND) -> Pretrained:
    """The torchvision classification network `name` with the weights in `file`.

    None: the file that torchvision would have put into torch's hub cache. Raises ConfigurationError, with `mend` where
    a file is at fault, when there is no such network, it has no linear layer, its weights are not at hand, or the file
    doesn't hold them.
    """
    from torchvision import models

    preset = _weights(name).transforms()
    place = find(name, file, mend)
    state = _read(place, name, mend)
    with seeded(0):  # drawing weights is not this function's to leave a trace of
        network = _without_second(models.get_model(name, weights=None))
    if hasattr(network, "transform_input"):
        # googlenet and inception_v3 bring pictures from their preset's scale to the one that they were trained on.
        vars(network)["transform_input"] = True
    try:
        network.load_state_dict(_by_todays_names(state))
    except (RuntimeError, TypeError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{place} doesn't fit {name}", "choose another backbone, or leave it out") from error
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (preset.mean, preset.std))
    head, features = _head(network, name)
    return Pretrained(network.eval(), head, features, preset.crop_size[0], mean, std)


def find(name: str, file: str | None = None, mend: str = _MEND) -> Path:
    """Where the weights of `name` are: in `file`, or in torch's hub cache. Raises ConfigurationError with `mend`."""
    cached = Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(urlparse(_weights(name).url).path).name
    place = Path(file).expanduser() if file else cached
    if not place.is_file():
        problem = f"the pretrained weights of {name} are not at hand: {place.name} is not in {place.parent}"
        raise ConfigurationError(problem, mend)
    return place


@functools.cache
def smallest(name: str) -> int:
    """The smallest side in pixels of pictures that the network `name` takes.

    Raises ConfigurationError when there is no such network, or it has no linear layer.
    """
    _head(_outline(name), name)
    low, high = 1, cast(int, _weights(name).transforms().crop_size[0])
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if takes(name, middle) else (middle + 1, high)
    return low


@functools.cache
def takes(name: str, side: int) -> bool:
    """Whether the network `name` can be trained on pictures of `side` pixels: tried on shapes, without numbers."""
    network = _outline(name)
    with seeded(0), torch.device("meta"):
        try:
            network(torch.empty(2, 3, side, side))
        except (RuntimeError, ValueError, AssertionError):
            return False
    return True


@functools.cache
def _outline(name: str) -> nn.Module:
    """The network in training mode, without numbers."""
    from torchvision import models

    _weights(name)  # raises when there is no such network
    with seeded(0):  # and not on the meta device at once: RegNets count their blocks with tensors
        network = models.get_model(name, weights=None)
    return _without_second(network).train().to("meta")


def _weights(name: str) -> Any:
    """What torchvision says of the pretrained weights of `name`. Raises ConfigurationError."""
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise ConfigurationError(f"torchvision has no network called {name}", f"choose one of {', '.join(known)}")
    weights: Any = models.get_model_weights(name)
    return weights.DEFAULT


def _without_second(network: nn.Module) -> nn.Module:
    if hasattr(network, "aux_logits"):
        vars(network)["aux_logits"] = False
        for name in _SECOND:
            setattr(network, name, None)
    return network


def _by_todays_names(state: Any) -> Any:
    if not isinstance(state, dict):
        return state
    tensors = cast(dict[str, Tensor], state)
    renamed = copy.copy(tensors)  # and not a new one: torch hangs the layers' versions on it
    renamed.clear()
    renamed.update(
        {_OLD_NAME.sub(r"\1\2", key): tensor for key, tensor in tensors.items() if key.split(".")[0] not in _SECOND}
    )
    return renamed


def _read(file: Path, name: str, mend: str) -> Any:
    """The weights in `file`. Raises ConfigurationError."""
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, SafetensorError) as error:
        raise ConfigurationError(f"{file} can't be read as the weights of {name}", mend) from error


def _head(network: nn.Module, name: str) -> tuple[str, int]:
    """Path of the last linear layer, and how many numbers it takes. Raises ConfigurationError."""
    linear = [(path, module) for path, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ConfigurationError(f"{name} doesn't end in a linear layer", "choose another backbone, such as resnet18")
    path, module = linear[-1]
    return path, module.in_features
