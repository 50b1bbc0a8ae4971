"""Fractal brightness and contrast, channels shuffled, and TrivialAugment."""

from typing import TYPE_CHECKING

import torch
from kornia import augmentation
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms import v2

from infra.devices import autocast
from tasks.evaluate.picture_ops import one_by_one
from tasks.evaluate.treatment import Treatment
from tasks.nn.fold import fold
from tasks.nn.seeding import drawn_seed, seeded

if TYPE_CHECKING:
    from schemas.countermeasures import UEraser

VERSION = 1

# Each is done to about half of the pictures; strengths as in the code that its authors released.
_ROUGHNESS, _INTENSITY, _SHARE = (0.3, 0.7), (0.5, 1.0), 0.5


def treatment(countermeasure: "UEraser") -> Treatment:
    """lite: one augmentation a picture. max: of several, for each picture the one with the highest loss.

    Qin et al. 2023. There max gives way to lite after some of the epochs in one variant; here it stays. The network
    that judges is a copy in eval mode, so that pictures which are not trained on leave no trace in its statistics;
    the released code judges in train mode. TrivialAugment is torchvision's, with a draw for each picture.
    """
    augment = _Augmentation()
    draws = countermeasure.draws if countermeasure.mode == "max" else 1

    def change(model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen = augment(x, generator)
        if draws == 1:
            return chosen, y
        judge = fold(model)
        highest = _losses(judge, chosen, y)
        for _ in range(draws - 1):
            tried = augment(x, generator)
            loss = _losses(judge, tried, y)
            chosen = torch.where((loss > highest).view(-1, 1, 1, 1), tried, chosen)
            highest = torch.maximum(loss, highest)
        return chosen, y

    return Treatment(change=change)


def smallest(countermeasure: "UEraser") -> int:
    """See CountermeasureModule."""
    del countermeasure
    return 1


class _Augmentation:
    """One draw for each picture of float [B, 3, H, W] in [0, 1]."""

    def __init__(self):
        self._colours = nn.Sequential(
            augmentation.RandomPlasmaBrightness(roughness=_ROUGHNESS, intensity=_INTENSITY, p=_SHARE),
            augmentation.RandomPlasmaContrast(roughness=_ROUGHNESS, p=_SHARE),
            augmentation.RandomChannelShuffle(p=_SHARE),
        )
        self._trivial = v2.TrivialAugmentWide()

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        with seeded(drawn_seed(generator)):
            return one_by_one(self._colours(x), self._trivial)


@torch.no_grad()
def _losses(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of each picture in nats, float [B]."""
    with autocast(x.device):
        logits = model(x)
    return functional.cross_entropy(logits.float(), y, reduction="none")
