"""Noise: its budget, the methods that make it, and the record kept beside it.

Numbers from Huang et al., "Unlearnable Examples", ICLR 2021 (arXiv 2101.04898), unless said otherwise.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas.base import Schema, Stored
from schemas.networks import NetworkName

Form = Literal["class-wise", "sample-wise"]
MAX_EPSILON = 64


class NoiseBudget(Schema):
    """How far a stored value may be from the original's."""

    norm: Literal["linf"] = Field(default="linf", description="The norm that is bounded.")
    epsilon: int = Field(
        default=8, ge=1, le=MAX_EPSILON, description="The bound in steps of 1/255; the paper uses 8, and 16 at 224 px."
    )


class ErrorMinimizing(Schema):
    """Noise that brings the training loss down, so that nothing is left to learn (section 3.2, eq. 2 and 3)."""

    kind: Literal["error-minimizing"] = "error-minimizing"
    form: Form = Field(default="sample-wise", description="One noise a sample, or one a class.")
    procedure: Literal["two-phase", "joint"] = Field(
        default="two-phase",
        description="Sample-wise only. two-phase: fit a source model, freeze it, then a few PGD steps a picture, "
        "shard by shard. joint: the paper's algorithm; all pictures in memory.",
    )
    source_model: NetworkName = Field(default="tiny", description="The network the noise is made with.")
    widths: tuple[int, int, int, int] = Field(
        default=(32, 64, 128, 128), description="Channels of the source model's stages, when it is tiny."
    )
    working_size: int | None = Field(
        default=None,
        ge=8,
        le=1024,
        description="Side in pixels at which noise is made; None: the pictures' own, at most 224.",
    )
    fit_samples: int = Field(
        default=5000, ge=2, description="Pictures the fit sees: a stratified sample. joint takes all of them."
    )
    steps: int = Field(default=5, ge=1, le=1000, description="T: PGD steps in a noise step of the fit.")
    alpha: float = Field(default=0.25, gt=0, le=2, description="Size of a PGD step, as a part of epsilon.")
    perturb_steps: int = Field(default=5, ge=1, le=1000, description="two-phase: PGD steps a picture once fitted.")
    perturb_alpha: float = Field(default=0.25, gt=0, le=2, description="two-phase: their size, as a part of epsilon.")
    model_steps: int = Field(default=20, ge=1, description="M: optimiser steps of the source model in a round.")
    stop_error: float = Field(default=0.01, ge=0, lt=1, description="lambda: stop at this error rate or below.")
    min_rounds: int = Field(
        default=10, ge=1, description="Rounds before which the fit neither stops nor keeps a result, unless capped."
    )
    max_rounds: int = Field(default=30, ge=1, description="Stop after so many rounds in any case, and say so.")
    subset: float = Field(
        default=0.2, gt=0, le=1, description="class-wise: share of the fit's samples that a noise step runs over."
    )
    batch_size: int = Field(default=128, ge=1, description="Pictures a batch.")
    lr: float = Field(default=0.1, gt=0, description="Learning rate of the source model (SGD), constant.")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of the source model's SGD.")
    weight_decay: float = Field(default=5e-4, ge=0, description="Weight decay of the source model.")
    clip: float = Field(default=5.0, gt=0, description="Gradient norm at which the source model's gradient is clipped.")

    @model_validator(mode="after")
    def _joint_is_sample_wise(self) -> "ErrorMinimizing":
        if self.form == "class-wise" and self.procedure == "joint":
            raise ValueError("procedure 'joint' is for sample-wise noise; leave it out for class-wise")
        return self


class RandomNoise(Schema):
    """U(-epsilon, epsilon), one draw a sample or a class: the paper's baseline, which protects little."""

    kind: Literal["random"] = "random"
    form: Form = Field(default="sample-wise", description="One noise a sample, or one a class.")
    working_size: int | None = Field(
        default=None,
        ge=8,
        le=1024,
        description="Side in pixels at which noise is made; None: the pictures' own, at most 224.",
    )


NoiseMethod = Annotated[ErrorMinimizing | RandomNoise, Field(discriminator="kind")]


class Coverage(Schema):
    """Which samples are protected. The choice is a keyed hash of the sample's key: stable, and without state."""

    fraction: float = Field(
        default=1.0, gt=0, le=1, description="Share of the samples, the same in expectation for each class."
    )
    classes: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Names of the classes to protect; None: all."
    )


class FitRound(Schema):
    """One round of min-min: M model steps and one noise step."""

    round: int = Field(ge=1, description="Number of the round, from 1.")
    error: float = Field(description="Error rate of the source model on perturbed pictures, 0 to 1.")
    loss: float = Field(description="Mean cross-entropy there, in nats.")
    seconds: float = Field(description="Time the round took, in seconds.")
    image_steps: int = Field(description="Gradient passes over a picture in this round, model and noise steps.")


class NoiseRecord(Stored):
    """What was fitted: kept beside fitted.safetensors, written last, so that it marks the noise as done."""

    inputs: str = Field(description="Digest of the data, the method, the budget, the key and the algorithm's version.")
    method: NoiseMethod
    budget: NoiseBudget
    class_names: tuple[str, ...] = Field(description="Classes that the noise was made for, by index.")
    dataset: str = Field(description="Digest of the dataset that the noise was fitted on.")
    key_fingerprint: str = Field(description="Fingerprint of the secret key; the key itself is never stored here.")
    working_size: int = Field(ge=1, description="Side in pixels at which the noise is made.")
    samples: int = Field(ge=0, description="Pictures that the fit saw.")
    rounds: tuple[FitRound, ...] = ()
    kept_round: int | None = Field(default=None, description="The round whose noise is kept: the one of lowest error.")
    stopped: Literal["at-lambda", "at-cap", "no-fit"] = Field(description="Why the fit ended.")
    precision: Literal["bf16", "fp32"] = Field(description="Arithmetic of the convolutions.")
    device: str = Field(description="Kind of device that the noise was fitted on.")
    seconds: float = Field(ge=0, description="Time the fit took, in seconds.")
    tensors_bytes: int = Field(ge=0, description="Size of fitted.safetensors.")
    tensors_sha256: str = Field(description="SHA-256 of fitted.safetensors.")

    @property
    def error(self) -> float | None:
        """Error rate of the kept round, 0 to 1; None without a fit."""
        return next((r.error for r in self.rounds if r.round == self.kept_round), None)

    @property
    def converged(self) -> bool:
        """False when the fit ended at its cap of rounds with the error still above lambda."""
        return self.stopped != "at-cap"
