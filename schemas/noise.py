"""Noise: how far it may go, where it lies, and the methods that make it.

Numbers from Huang et al., "Unlearnable Examples", ICLR 2021 (arXiv 2101.04898), unless said otherwise.
"""

from typing import Annotated, Any, Literal, cast

from pydantic import Field, model_validator

from schemas.base import Schema
from schemas.networks import NetworkName
from schemas.presets import Preset, fields_of
from schemas.recipe import TinyRecipe

Form = Literal["class-wise", "sample-wise"]
Procedure = Literal["two-phase", "joint"]
WorkingSize = Annotated[
    int | None,
    Field(ge=8, le=1024, description="Side in pixels at which noise is made; None: the pictures' own, at most 224."),
]
Widths = Annotated[
    tuple[int, int, int, int] | None,
    Field(description="Channels of the source model's four stages; None: the network's own."),
]
MAX_EPSILON = 64
MAX_EPSILON_L2 = 65535


class NoiseBudget(Schema):
    """How far a stored picture may be from its original."""

    norm: Literal["linf", "l2"] = Field(
        default="linf",
        description="What is bounded: linf, the change of every value; l2, the Euclidean norm of a picture's change.",
    )
    epsilon: int = Field(
        default=8,
        ge=1,
        le=MAX_EPSILON_L2,
        description="The bound in steps of 1/255; the paper uses 8, and 16 at 224 px, with linf (at most 64). "
        "To be stated with l2: a linf budget of 8 allows an L2 norm of 443 at 32 px.",
    )

    @model_validator(mode="after")
    def _imperceptible(self) -> "NoiseBudget":
        if self.norm == "linf" and self.epsilon > MAX_EPSILON:
            raise ValueError(f"epsilon is at most {MAX_EPSILON} with norm linf (given: {self.epsilon})")
        return self

    @model_validator(mode="after")
    def _l2_is_stated(self) -> "NoiseBudget":
        # As an L2 norm the default is next to no noise. What is read from storage always states it.
        if self.norm == "l2" and "epsilon" not in self.model_fields_set:
            allows = "an L-inf budget of 8 allows an L2 norm of 443 at 32 px"
            raise ValueError(f"norm l2 has no default epsilon: state it (--epsilon); {allows}")
        return self


class Placement(Schema):
    """Where in a picture the noise lies."""

    patch: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Side of a square patch, in pixels at the working size; None: the whole picture.",
    )
    place: Literal["random", "centre"] = Field(
        default="random",
        description="Of a patch. random: drawn anew while class-wise noise is made, and once a picture on release.",
    )


class Application(Schema):
    """How noise is laid onto a picture."""

    placement: Placement = Field(default=Placement(), description="Where in a picture the noise lies.")
    mixture: Literal["none", "two-sets", "with-uniform"] = Field(
        default="none",
        description="Class-wise noise only. two-sets: a second set is made, and each picture takes one of the two; "
        "with-uniform: U(-epsilon, epsilon) is added, the sum within the budget (Table 5).",
    )
    arithmetic: Literal["corrected", "as-published"] = Field(
        default="corrected",
        description="corrected: signed noise, rounded. as-published: as the released code applied it, negative "
        "values set to 0 and the rest truncated; for reproduction only.",
    )


class MinMin(Schema):
    """What the two error-minimizing methods share: a source model and its noise, made turn by turn."""

    preset: Preset = Field(
        default="standard",
        description="Where fields that are not given take their values from. fast: fewer gradient passes in the fit "
        "and, with error-minimizing, a picture once fitted; error-minimizing-lbfgs costs the same a picture.",
    )
    form: Form = Field(default="sample-wise", description="One noise a sample, or one a class.")
    procedure: Procedure = Field(
        default="two-phase",
        description="Sample-wise only. two-phase: fit a source model, freeze it, then a few steps a picture, "
        "shard by shard. joint: the paper's algorithm; all pictures in memory.",
    )
    source_model: NetworkName = Field(default="tiny", description="The network the noise is made with.")
    widths: Widths = None
    working_size: WorkingSize = None
    fit_samples: int = Field(
        default=5000, ge=2, description="Pictures the fit sees: a stratified sample. joint takes all of them."
    )
    steps: int = Field(default=5, ge=1, le=1000, description="T: steps on a picture in a noise step of the fit.")
    perturb_steps: int = Field(default=5, ge=1, le=1000, description="two-phase: steps a picture once fitted.")
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

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        stated = cast(dict[str, Any], given)
        kind, default = cls.model_fields["kind"].default, cls.model_fields["form"].default
        return fields_of(stated.get("preset", "standard"), kind, stated.get("form", default)) | stated

    @model_validator(mode="after")
    def _joint_is_sample_wise(self) -> "MinMin":
        if self.form == "class-wise" and self.procedure == "joint":
            raise ValueError("procedure 'joint' is for sample-wise noise; leave it out for class-wise")
        return self


class ErrorMinimizing(MinMin):
    """Noise that brings the training loss down, so that nothing is left to learn (section 3.2, eq. 2 and 3)."""

    kind: Literal["error-minimizing"] = "error-minimizing"
    alpha: float = Field(default=0.25, gt=0, le=2, description="Size of a PGD step, as a part of epsilon.")
    perturb_alpha: float = Field(default=0.25, gt=0, le=2, description="two-phase: its size once fitted.")

    @property
    def reach(self) -> float:
        """How far the steps of one noise step go together, as a part of epsilon."""
        return self.steps * self.alpha


class ErrorMinimizingLBFGS(MinMin):
    """The same with a penalty in place of projection: c |delta|^2 + loss, by Adam (appendix I).

    It is called the L-BFGS form there. What is stored stays within the budget all the same.
    """

    kind: Literal["error-minimizing-lbfgs"] = "error-minimizing-lbfgs"
    # Adam's steps are small beside PGD's: five of them would use half of the budget.
    steps: int = Field(default=20, ge=1, le=1000, description="T: steps on a picture in a noise step of the fit.")
    perturb_steps: int = Field(default=20, ge=1, le=1000, description="two-phase: steps a picture once fitted.")
    penalty: float = Field(default=1.0, ge=0, description="c: weight of the squared L2 norm, values in 0 to 1.")
    step_size: float = Field(default=0.1, gt=0, le=2, description="Adam's learning rate, as a part of epsilon.")

    @property
    def reach(self) -> float:
        """How far the steps of one noise step go together, as a part of epsilon: about, for a step of Adam's."""
        return self.steps * self.step_size


class ErrorMaximizing(Schema):
    """Noise that brings the loss of a normally trained source model up: the paper's adversarial baseline."""

    kind: Literal["error-maximizing"] = "error-maximizing"
    form: Form = Field(default="sample-wise", description="PGD on each sample, or one universal perturbation a class.")
    source_model: NetworkName = Field(default="tiny", description="The network the noise is made with.")
    widths: Widths = None
    working_size: WorkingSize = None
    fit_samples: int = Field(default=5000, ge=2, description="Pictures the fit sees: a stratified sample.")
    training: TinyRecipe = Field(default=TinyRecipe(), description="How the source model is trained first.")
    steps: int = Field(default=20, ge=1, le=1000, description="PGD steps a picture.")
    alpha: float = Field(default=0.1, gt=0, le=2, description="Size of a PGD step, as a part of epsilon.")
    stop_error: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="The error rate that the noise is to bring. class-wise: stop at it or above (the paper: .8). "
        "sample-wise: a trial of the noise on the subset that stays below is told as a weak fit.",
    )
    max_rounds: int = Field(default=10, ge=1, description="class-wise: passes over the subset at most.")
    subset: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Share of the fit's samples: class-wise in a pass, sample-wise in the trial.",
    )
    batch_size: int = Field(default=128, ge=1, description="Pictures a batch while noise is made.")


class RandomNoise(Schema):
    """U(-epsilon, epsilon), one draw a sample or a class: the paper's baseline, which protects little."""

    kind: Literal["random"] = "random"
    form: Form = Field(default="sample-wise", description="One noise a sample, or one a class.")
    working_size: WorkingSize = None


NoiseMethod = Annotated[
    ErrorMinimizing | ErrorMinimizingLBFGS | ErrorMaximizing | RandomNoise, Field(discriminator="kind")
]
