"""How many classes a network tells apart."""

from torch import nn


def outputs(model: nn.Module) -> int:
    """Outputs of the linear layer that `model` registered last: a classifier's classes.

    Raises ValueError when it has none.
    """
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ValueError(f"{type(model).__name__} ends in no linear layer")
    return linear[-1].out_features
