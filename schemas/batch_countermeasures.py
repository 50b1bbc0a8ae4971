"""Countermeasures that are done to each batch as a victim learns from it.

See schemas/countermeasures.py.
"""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from schemas.base import Schema


class Cutout(Schema):
    """A square of each picture set to zero, at a place drawn anew each time it is seen (DeVries and Taylor 2017)."""

    kind: Literal["cutout"] = "cutout"
    side: int = Field(default=16, ge=1, le=1024, description="Side of the square in pixels.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return f"cutout-{self.side}"


class Mixup(Schema):
    """Pictures and labels mixed in pairs, by a share drawn for each batch (Zhang et al. 2018)."""

    kind: Literal["mixup"] = "mixup"
    beta: float = Field(default=1.0, gt=0, le=10, description="Parameter of the Beta distribution of the shares.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return "mixup" if self.beta == 1 else f"mixup-{self.beta:g}"


class CutMix(Schema):
    """A box of each picture taken from another, drawn for each batch; labels mixed by its area (Yun et al. 2019)."""

    kind: Literal["cutmix"] = "cutmix"
    beta: float = Field(default=1.0, gt=0, le=10, description="Parameter of the Beta distribution of the areas.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return "cutmix" if self.beta == 1 else f"cutmix-{self.beta:g}"


class RandAugment(Schema):
    """Two random operations a picture (Cubuk et al. 2020)."""

    kind: Literal["rand-augment"] = "rand-augment"
    magnitude: int = Field(default=9, ge=0, le=30, description="Strength of the operations, 0 to 30.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return "rand-augment" if self.magnitude == 9 else f"rand-augment-{self.magnitude}"


class TrivialAugment(Schema):
    """One random operation of random strength a picture (Müller and Hutter 2021)."""

    kind: Literal["trivial-augment"] = "trivial-augment"

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return self.kind


class AutoAugment(Schema):
    """Operations by the policy learnt for CIFAR-10 (Cubuk et al. 2019); it stands in for that of Fast AutoAugment."""

    kind: Literal["auto-augment"] = "auto-augment"

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return self.kind


class ColourJitter(Schema):
    """Brightness, contrast, saturation and hue of each picture changed at random."""

    kind: Literal["colour-jitter"] = "colour-jitter"
    strength: float = Field(
        default=0.4, gt=0, le=1, description="Brightness, contrast and saturation by up to this share; hue by half."
    )

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return "colour-jitter" if self.strength == 0.4 else f"colour-jitter-{self.strength:g}"


class UEraser(Schema):
    """Plasma brightness and contrast, channel shuffle and TrivialAugment (Qin et al. 2023)."""

    kind: Literal["ueraser"] = "ueraser"
    mode: Literal["lite", "max"] = Field(
        default="lite", description="lite: one augmentation a picture; max: of several the one with the highest loss."
    )
    draws: int = Field(default=5, ge=2, le=20, description="max: augmentations that are tried a picture.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return f"ueraser-{self.mode}" + ("" if self.draws == 5 else f"-by-{self.draws}")

    @field_validator("draws")
    @classmethod
    def _for_max(cls, draws: int, info: ValidationInfo) -> int:
        if info.data.get("mode") == "lite" and draws != 5:
            raise ValueError("draws are for mode max: lite has one")
        return draws


class AdversarialTraining(Schema):
    """Training on adversarial examples of the pictures, made by PGD as they are seen (Madry et al. 2018)."""

    kind: Literal["adversarial-training"] = "adversarial-training"
    epsilon: int = Field(default=8, ge=1, le=64, description="Their bound (L-inf) in steps of 1/255.")
    steps: int = Field(default=10, ge=1, le=100, description="PGD steps a picture.")
    step_size: float = Field(default=0.25, gt=0, le=2, description="Size of a step, as a part of epsilon.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        plain = (self.steps, self.step_size) == (10, 0.25)
        return f"adversarial-training-{self.epsilon}" + ("" if plain else f"-by-{self.steps}-by-{self.step_size:g}")
