"""How a network is trained."""

from typing import Literal

from pydantic import Field

from schemas.base import Schema


class Recipe(Schema):
    """How a victim is trained. Defaults: the paper's recipe for CIFAR-10 (section 4, appendix A)."""

    epochs: int = Field(default=60, ge=1, description="Passes over the training pictures.")
    batch_size: int = Field(default=128, ge=2, description="Pictures a batch.")
    lr: float = Field(default=0.025, gt=0, description="Peak learning rate of SGD.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of SGD.")
    nesterov: bool = Field(default=False, description="Nesterov momentum.")
    weight_decay: float = Field(default=5e-4, ge=0, description="Weight decay.")
    clip: float = Field(default=5.0, gt=0, description="Gradient norm at which the gradient is clipped.")
    schedule: Literal["cosine", "one-cycle", "constant"] = Field(
        default="cosine", description="Learning rate over time: cosine to 0 by epoch, one-cycle by step, or constant."
    )
    crop_padding: int = Field(
        default=4, ge=0, le=64, description="Random crop after padding by so many pixels; 0: none."
    )
    flip: bool = Field(default=True, description="Random horizontal flip.")
    size: int | None = Field(
        default=None,
        ge=8,
        le=1024,
        description="Side in pixels at which the victim sees pictures; None: the most "
        "common side of the clean training pictures.",
    )


class TinyRecipe(Recipe):
    """The same fields with the small net's defaults: it needs a short, steep schedule, and no augmentation."""

    epochs: int = Field(default=12, ge=1, description="Passes over the training pictures.")
    batch_size: int = Field(default=64, ge=2, description="Pictures a batch.")
    lr: float = Field(default=0.1, gt=0, description="Peak learning rate of SGD.")
    nesterov: bool = Field(default=True, description="Nesterov momentum.")
    schedule: Literal["cosine", "one-cycle", "constant"] = Field(
        default="one-cycle",
        description="Learning rate over time: cosine to 0 by epoch, one-cycle by step, or constant.",
    )
    crop_padding: int = Field(
        default=0, ge=0, le=64, description="Random crop after padding by so many pixels; 0: none."
    )
    flip: bool = Field(default=False, description="Random horizontal flip.")
