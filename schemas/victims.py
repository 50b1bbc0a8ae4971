"""Victims: the networks that are trained on a copy, to see what it still teaches.

Each is one schema here and one module of the same kind in tasks/evaluate/victims.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Schema
from schemas.place import Place
from schemas.recipe import FacesRecipe, FineTuneRecipe, LinearProbeRecipe, Recipe, ScreenRecipe, TinyRecipe

TINY_WIDTHS = (32, 64, 128, 128)
RESNET18_WIDTH = 64


class TinyVictim(Schema):
    """A net of six 3x3 convolutions: for quick looks, on a CPU."""

    kind: Literal["tiny"] = "tiny"
    widths: tuple[int, int, int, int] = Field(default=TINY_WIDTHS, description="Channels of its four stages.")
    recipe: TinyRecipe = Field(default=TinyRecipe(), description="How it is trained.")

    @property
    def name(self) -> str:
        """Its name in reports: it tells widths that are not its own."""
        return "tiny" if self.widths == TINY_WIDTHS else f"tiny-w{'-'.join(map(str, self.widths))}"


class ScreenVictim(Schema):
    """A small fast net with a one-cycle schedule, for large matrices."""

    kind: Literal["screen"] = "screen"
    recipe: ScreenRecipe = Field(default=ScreenRecipe(), description="How it is trained.")

    @property
    def name(self) -> str:
        """Its name in reports."""
        return self.kind


class ResNet18Victim(Schema):
    """ResNet-18: its CIFAR form below 64 pixels, torchvision's from 64: the number of record."""

    kind: Literal["resnet18"] = "resnet18"
    width: int = Field(
        default=RESNET18_WIDTH,
        ge=8,
        le=128,
        description="Channels of the first stage; each of the other three has twice as many as the one before. "
        "Fewer than 64 make a narrow net, for small machines: no number of record.",
    )
    recipe: Recipe = Field(default=Recipe(), description="How it is trained.")

    @property
    def name(self) -> str:
        """Its name in reports: it tells a width that is not ResNet-18's own."""
        return "resnet18" if self.width == RESNET18_WIDTH else f"resnet18-w{self.width}"


class ResNet50Victim(Schema):
    """ResNet-50: its CIFAR form below 64 pixels, torchvision's from 64."""

    kind: Literal["resnet50"] = "resnet50"
    recipe: Recipe = Field(default=Recipe(), description="How it is trained.")

    @property
    def name(self) -> str:
        """Its name in reports."""
        return self.kind


class VGG11Victim(Schema):
    """VGG-11 with batch normalisation: its CIFAR form below 64 pixels, torchvision's from 64."""

    kind: Literal["vgg11"] = "vgg11"
    recipe: Recipe = Field(default=Recipe(), description="How it is trained.")

    @property
    def name(self) -> str:
        """Its name in reports."""
        return self.kind


class DenseNet121Victim(Schema):
    """DenseNet-121: its CIFAR form below 64 pixels, torchvision's from 64."""

    kind: Literal["densenet121"] = "densenet121"
    recipe: Recipe = Field(default=Recipe(), description="How it is trained.")

    @property
    def name(self) -> str:
        """Its name in reports."""
        return self.kind


class VisionTransformerVictim(Schema):
    """A small vision transformer (timm's vit_tiny_patch16_224), its patches fitted to the pictures' size."""

    kind: Literal["vit"] = "vit"
    recipe: Recipe = Field(default=Recipe(), description="How it is trained.")

    @property
    def name(self) -> str:
        """Its name in reports."""
        return self.kind


class MobileNetVictim(Schema):
    """MobileNet v3 small (timm), its first stride left out below 64 pixels."""

    kind: Literal["mobilenet"] = "mobilenet"
    recipe: Recipe = Field(default=Recipe(), description="How it is trained.")

    @property
    def name(self) -> str:
        """Its name in reports."""
        return self.kind


class InceptionResNetVictim(Schema):
    """Inception-ResNet v1 with embeddings of 512 dimensions: the paper's victim for faces. From 75 pixels on."""

    kind: Literal["inception-resnet-v1"] = "inception-resnet-v1"
    recipe: FacesRecipe = Field(default=FacesRecipe(), description="How it is trained.")

    @property
    def name(self) -> str:
        """Its name in reports."""
        return self.kind


class _Pretrained(Schema):
    """What victims that start from pretrained weights share."""

    backbone: str = Field(default="resnet18", min_length=1, description="A classification network of torchvision's.")
    weights: Place | None = Field(
        default=None,
        description="File with its pretrained weights, as safetensors or as torchvision saves them; None: the file "
        "that torchvision would have put into its cache. Nothing is downloaded.",
    )


class LinearProbeVictim(_Pretrained):
    """A pretrained network, frozen, and a linear layer that is trained on its features."""

    kind: Literal["linear-probe"] = "linear-probe"
    recipe: LinearProbeRecipe = Field(default=LinearProbeRecipe(), description="How the linear layer is trained.")

    @property
    def name(self) -> str:
        """Its name in reports: it tells the backbone."""
        return f"linear-probe-{self.backbone}"


class FineTunedVictim(_Pretrained):
    """A pretrained network, trained further in all its layers, with a new last layer."""

    kind: Literal["fine-tuned"] = "fine-tuned"
    recipe: FineTuneRecipe = Field(default=FineTuneRecipe(), description="How the network is trained further.")

    @property
    def name(self) -> str:
        """Its name in reports: it tells the backbone."""
        return f"fine-tuned-{self.backbone}"


Victim = Annotated[
    TinyVictim
    | ScreenVictim
    | ResNet18Victim
    | ResNet50Victim
    | VGG11Victim
    | DenseNet121Victim
    | VisionTransformerVictim
    | MobileNetVictim
    | InceptionResNetVictim
    | LinearProbeVictim
    | FineTunedVictim,
    Field(discriminator="kind"),
]
