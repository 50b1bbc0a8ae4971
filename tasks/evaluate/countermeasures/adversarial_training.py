"""Training on adversarial examples."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from schemas.noise import NoiseBudget
from tasks.evaluate.treatment import Treatment
from tasks.nn.fold import fold
from tasks.noise.pgd import ascent

if TYPE_CHECKING:
    from schemas.countermeasures import AdversarialTraining

VERSION = 1


def treatment(countermeasure: "AdversarialTraining") -> Treatment:
    """PGD against the network as it stands, from a random start in the L-inf ball (Madry et al. 2018).

    The attack is made on a frozen copy in eval mode, its normalisation folded: the network gets no gradient from it,
    and its statistics see nothing but the examples it is trained on.
    """
    budget = NoiseBudget(epsilon=countermeasure.epsilon)
    attack = ascent(budget, countermeasure.step_size, countermeasure.steps)
    reach = budget.epsilon / 255

    def change(model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        start = torch.empty_like(x, device="cpu").uniform_(-reach, reach, generator=generator)
        examples = x + attack(fold(model), x, y, start.to(x.device), None)
        return examples.contiguous(memory_format=torch.channels_last), y

    return Treatment(change=change)


def smallest(countermeasure: "AdversarialTraining") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1
