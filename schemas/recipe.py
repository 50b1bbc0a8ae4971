"""How a network is trained."""

from typing import Any, ClassVar, Literal, Self, cast

from pydantic import Field, field_validator, model_validator

from schemas.base import Schema

Family = Literal["cifar10", "svhn", "cifar100", "imagenet", "faces"]

# What the paper does otherwise than on CIFAR-10 (section 4, appendix A). Of faces it states no recipe: a flip is ours.
_FAMILIES: dict[str, dict[str, Any]] = {
    "svhn": {"epochs": 30, "crop_padding": 0, "flip": False},
    "cifar100": {"epochs": 100, "weight_decay": 5e-5, "rotation": 20.0},
    "imagenet": {
        "epochs": 100,
        "weight_decay": 5e-5,
        "crop_padding": 0,
        "resized_crop": True,
        "jitter": (0.4, 0.4, 0.4, 0.2),
    },
    "faces": {"crop_padding": 0},
}
_JITTERED = ("brightness", "contrast", "saturation", "hue")


class Recipe(Schema):
    """How a victim is trained. Defaults: the paper's recipe for the `family` (section 4, appendix A)."""

    # What a family does not set in a recipe of its own.
    own: ClassVar[frozenset[str]] = frozenset()

    family: Family = Field(
        default="cifar10",
        description="Dataset family whose published recipe the fields that are not given are taken from.",
    )
    epochs: int = Field(default=60, ge=1, description="Passes over the training pictures.")
    batch_size: int = Field(default=128, ge=2, description="Pictures a batch.")
    lr: float = Field(default=0.025, gt=0, description="Peak learning rate of SGD.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of SGD.")
    nesterov: bool = Field(default=False, description="Nesterov momentum.")
    weight_decay: float = Field(default=5e-4, ge=0, description="Weight decay.")
    clip: float = Field(default=5.0, gt=0, description="Gradient norm at which the gradient is clipped.")
    schedule: Literal["cosine", "one-cycle", "steps", "constant"] = Field(
        default="cosine",
        description="Learning rate over time: cosine to 0 by epoch; one-cycle by step; steps, a tenth after three "
        "quarters of the epochs and again after nine tenths; or constant.",
    )
    crop_padding: int = Field(
        default=4, ge=0, le=64, description="Random crop after padding by so many pixels; 0: none."
    )
    flip: bool = Field(default=True, description="Random horizontal flip.")
    rotation: float = Field(default=0.0, ge=0, le=180, description="Random rotation by up to so many degrees; 0: none.")
    resized_crop: bool = Field(
        default=False, description="Random crop of 8 to 100 % of the picture, scaled to its size."
    )
    jitter: tuple[float, float, float, float] = Field(
        default=(0.0, 0.0, 0.0, 0.0),
        description="Strength of random changes of brightness, contrast and saturation (0 to 1) and hue (0 to 0.5); "
        "all 0: none.",
    )
    size: int | None = Field(
        default=None,
        ge=8,
        le=1024,
        description="Side in pixels at which the victim sees pictures; None: the most common longer side among the "
        "first clean training pictures, at most 224.",
    )

    @field_validator("jitter")
    @classmethod
    def _within_reach(cls, jitter: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        for name, strength, most in zip(_JITTERED, jitter, (1, 1, 1, 0.5), strict=True):
            if not 0 <= strength <= most:
                raise ValueError(f"jitter of the {name} is {strength:g}; it has to be from 0 to {most}")
        return jitter

    @model_validator(mode="after")
    def _has_momentum(self) -> Self:
        if self.nesterov and not self.momentum:
            raise ValueError("Nesterov momentum needs a momentum above 0; state nesterov: false beside momentum: 0")
        return self

    @model_validator(mode="before")
    @classmethod
    def _from_family(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        stated = cast(dict[str, Any], given)
        family = _FAMILIES.get(str(stated.get("family", cls.model_fields["family"].default)), {})
        return {name: value for name, value in family.items() if name not in cls.own} | stated


class TinyRecipe(Recipe):
    """The same fields with the small nets' defaults: they need a short, steep schedule, and no augmentation."""

    own: ClassVar[frozenset[str]] = frozenset({"epochs"})

    epochs: int = Field(default=12, ge=1, description="Passes over the training pictures.")
    batch_size: int = Field(default=64, ge=2, description="Pictures a batch.")
    lr: float = Field(default=0.1, gt=0, description="Peak learning rate of SGD.")
    nesterov: bool = Field(default=True, description="Nesterov momentum.")
    schedule: Literal["cosine", "one-cycle", "steps", "constant"] = Field(
        default="one-cycle",
        description="Learning rate over time: cosine to 0 by epoch; one-cycle by step; steps, a tenth after three "
        "quarters of the epochs and again after nine tenths; or constant.",
    )
    crop_padding: int = Field(
        default=0, ge=0, le=64, description="Random crop after padding by so many pixels; 0: none."
    )
    flip: bool = Field(default=False, description="Random horizontal flip.")


class ScreenRecipe(TinyRecipe):
    """The small nets' recipe, cut to what the screening net needs."""

    epochs: int = Field(default=6, ge=1, description="Passes over the training pictures.")


class FacesRecipe(Recipe):
    """The same fields, of the faces' family where none is given."""

    family: Family = Field(
        default="faces",
        description="Dataset family whose published recipe the fields that are not given are taken from.",
    )


class LinearProbeRecipe(Recipe):
    """The same fields for one linear layer on features that stay."""

    own: ClassVar[frozenset[str]] = frozenset({"epochs"})

    epochs: int = Field(default=20, ge=1, description="Passes over the training pictures.")
    lr: float = Field(default=0.1, gt=0, description="Peak learning rate of SGD.")


class FineTuneRecipe(LinearProbeRecipe):
    """The same fields for a network that starts from pretrained weights."""

    lr: float = Field(default=0.01, gt=0, description="Peak learning rate of SGD.")
