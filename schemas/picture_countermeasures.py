"""Countermeasures that are done to the training pictures before training, or to nothing at all.

See schemas/countermeasures.py.
"""

from typing import Literal

from pydantic import Field

from schemas.base import Schema


class NoCountermeasure(Schema):
    """The pictures as they are."""

    kind: Literal["none"] = "none"

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return self.kind


class EarlyStopping(Schema):
    """Plain training, stopped at the epoch that is best on clean test pictures: what an attacker could hope for."""

    kind: Literal["early-stopping"] = "early-stopping"

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return self.kind


class Grayscale(Schema):
    """The training pictures turned gray (luma of ITU-R 601), in three equal channels."""

    kind: Literal["grayscale"] = "grayscale"

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return self.kind


class Jpeg(Schema):
    """The training pictures through JPEG at a quality, as a host that re-encodes them does."""

    kind: Literal["jpeg"] = "jpeg"
    quality: int = Field(default=10, ge=1, le=100, description="libjpeg's quality, 1 to 100.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return f"jpeg-{self.quality}"


class BitDepth(Schema):
    """The training pictures at fewer bits a value: the highest ones, their levels spread evenly from 0 to 255."""

    kind: Literal["bit-depth"] = "bit-depth"
    bits: int = Field(default=2, ge=1, le=7, description="Bits of each value that are kept, 1 to 7.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return f"bit-depth-{self.bits}"


class Blur(Schema):
    """The training pictures under a Gaussian blur."""

    kind: Literal["blur"] = "blur"
    sigma: float = Field(
        default=1.0, ge=0.4, le=10, description="Deviation of the blur in pixels; below .4 it would hardly be one."
    )

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return f"blur-{self.sigma:g}"


class Median(Schema):
    """The training pictures under a median filter."""

    kind: Literal["median"] = "median"
    side: Literal[3, 5, 7] = Field(default=3, description="Side of the filter's window in pixels.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return f"median-{self.side}"


class Rescale(Schema):
    """The training pictures scaled down and up again (bilinear, antialiased)."""

    kind: Literal["rescale"] = "rescale"
    factor: int = Field(default=2, ge=2, le=8, description="By how much they are scaled down.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return f"rescale-{self.factor}"


class Standardise(Schema):
    """Each channel of each training picture brought to the same mean (128) and deviation (48)."""

    kind: Literal["standardise"] = "standardise"

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return self.kind


class Sharpen(Schema):
    """The training pictures through a Gaussian low-pass filter, then sharpened with an unsharp mask."""

    kind: Literal["sharpen"] = "sharpen"
    sigma: float = Field(default=1.0, ge=0.4, le=10, description="Deviation of the low-pass filter in pixels.")
    amount: float = Field(
        default=1.0,
        gt=0,
        le=10,
        description="Strength of the sharpening: how often what a second such filter takes away is added again.",
    )

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return f"sharpen-{self.sigma:g}" + ("" if self.amount == 1 else f"-by-{self.amount:g}")


class OrthogonalProjection(Schema):
    """What a linear model finds in the training pictures, taken out of them (Sandoval-Segura et al. 2023)."""

    kind: Literal["orthogonal-projection"] = "orthogonal-projection"
    epochs: int = Field(default=20, ge=1, le=1000, description="Passes in which the linear model is trained.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return "orthogonal-projection" + ("" if self.epochs == 20 else f"-{self.epochs}")


class Dilution(Schema):
    """Some of the protected pictures known in the original too, and trained on in their place."""

    kind: Literal["dilution"] = "dilution"
    percent: float = Field(default=5.0, gt=0, le=100, description="Share of the pictures, in percent.")

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        return f"dilution-{self.percent:g}"
