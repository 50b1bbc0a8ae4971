"""Class-wise noise as a trigger: whether a victim takes clean pictures under it for the noise's class.

Huang et al. 2021, figure 8.
"""

import torch
from torch import Tensor, nn

from infra.errors import ConfigurationError
from infra.storage import Folder
from schemas.evaluate import Backdoor, EvaluateConfig
from tasks.evaluate import sets
from tasks.evaluate.data import Pictures
from tasks.evaluate.recovery import recovered
from tasks.evaluate.triggers import Triggers
from tasks.nn import train
from tasks.rewrite.audit import manifest_of

VERSION = 1
_SEED = 0
_CHUNK_VALUES = 1 << 26


def is_class_wise(copy: str) -> bool:
    """True for a copy whose manifest says that each class has one noise."""
    return manifest_of(Folder(copy)).protection.form == "class-wise"


def copies_for(config: EvaluateConfig, trained_on: str | None) -> tuple[str, ...]:
    """Whose noise a victim is shown: that of the copy it was trained on; after clean training each copy's, in turn."""
    if trained_on is None:
        return tuple(filter(is_class_wise, config.protected))
    return (trained_on,) if is_class_wise(trained_on) else ()


def targets(labels: Tensor, known: Tensor, seed: int = _SEED) -> tuple[Tensor, Tensor]:
    """For classes int64 [N] another class each, drawn evenly of those that are `known` (bool [K]).

    Gives the places int64 [M] of the pictures for which there is one, and the classes int64 [M].
    """
    weights = known.float().repeat(len(labels), 1)
    weights[torch.arange(len(labels)), labels] = 0
    chosen = weights.any(1).nonzero().flatten()
    if not len(chosen):
        return chosen, chosen
    generator = torch.Generator().manual_seed(seed)
    return chosen, torch.multinomial(weights[chosen], 1, generator=generator).flatten()


def examine(model: nn.Module, pictures: Pictures, triggers: Triggers, caption: str) -> Backdoor:
    """Lay on each clean test picture the noise of another class, drawn alike for every victim, and ask a victim."""
    places, wanted = targets(pictures.labels, triggers.known)
    device = next(model.parameters()).device
    chunk = max(1, _CHUNK_VALUES // pictures.images[0].numel())
    obeyed = 0
    for chosen, classes in zip(places.split(chunk), wanted.split(chunk), strict=True):
        shown = triggers.on(pictures.images[chosen], classes)
        obeyed += int((train.predict(model, shown.to(device)).cpu() == classes).sum())
    return Backdoor(trigger=caption, pictures=len(places), success=100 * obeyed / max(1, len(places)))


def check(config: EvaluateConfig, size: int) -> None:
    """Raise ConfigurationError unless some copy is class-wise, and each such copy gives triggers for test pictures."""
    copies = copies_for(config, None)
    if not copies:
        problem = "a backdoor test takes the noise of a class-wise copy for its trigger, and no copy is class-wise"
        raise ConfigurationError(problem, "give one that was protected with --form class-wise, or leave the test out")
    labels = sets.test_set(config, size).labels
    for copy in copies:
        if not len(targets(labels, recovered(copy, config.clean).known)[0]):
            problem = f"no test picture has a class other than the only one that has noise in {copy}"
            raise ConfigurationError(problem, "protect more classes, or leave the backdoor test out")
