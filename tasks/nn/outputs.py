"""A classifier's last layer, and how many classes it tells apart."""

from torch import nn


def last_linear(model: nn.Module) -> nn.Linear:
    """The linear layer that `model` registered last: a classifier's head. Raises ValueError when it has none."""
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ValueError(f"{type(model).__name__} ends in no linear layer")
    return linear[-1]


def outputs(model: nn.Module) -> int:
    """The classes that `model` tells apart: outputs of its last linear layer. Raises ValueError when it has none."""
    return last_linear(model).out_features
