"""The record of fitted noise."""

from typing import Literal

from pydantic import Field

from schemas.base import Schema, Stored
from schemas.noise import Application, NoiseBudget, NoiseMethod


class FitRound(Schema):
    """One round of a fit."""

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
    application: Application = Application()
    class_names: tuple[str, ...] = Field(description="Classes that the noise was made for, by index.")
    dataset: str = Field(description="Digest of the dataset that the noise was fitted on.")
    key_fingerprint: str = Field(description="Fingerprint of the secret key; the key itself is never stored here.")
    working_size: int = Field(ge=1, description="Side in pixels at which the noise is made.")
    samples: int = Field(ge=0, description="Pictures that the fit saw.")
    rounds: tuple[FitRound, ...] = ()
    kept_round: int | None = Field(default=None, description="The round whose noise is kept.")
    stopped: Literal["at-lambda", "at-cap", "diverged", "no-fit"] = Field(
        description="Why the fit ended: the error reached lambda; the cap of rounds came first; the source model's "
        "loss stopped being a number; or there was nothing to fit."
    )
    released_error: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of a bounded sample of the fit's pictures that the frozen source model gets wrong under the "
        "noise as it is released, 0 to 1; two-phase only.",
    )
    resumed: bool = Field(default=False, description="True when the fit went on from a checkpoint.")
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
        """False when the fit ended without reaching lambda: its noise protects less than the method can."""
        return self.stopped in {"at-lambda", "no-fit"}
