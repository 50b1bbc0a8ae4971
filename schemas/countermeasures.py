"""Countermeasures: what a host may do to the pictures, or in training, to learn from them all the same.

Each is one schema (in schemas/picture_countermeasures.py or schemas/batch_countermeasures.py) and one module of the
same kind in tasks/evaluate/countermeasures, and is never told how the pictures were protected. A schema's first field
besides `kind` is what a number after its name sets: `jpeg-10`.
"""

from typing import Annotated

from pydantic import Field

from schemas.batch_countermeasures import (
    AdversarialTraining,
    AutoAugment,
    ColourJitter,
    CutMix,
    Cutout,
    Mixup,
    RandAugment,
    TrivialAugment,
    UEraser,
)
from schemas.picture_countermeasures import (
    BitDepth,
    Blur,
    Dilution,
    EarlyStopping,
    Grayscale,
    Jpeg,
    Median,
    NoCountermeasure,
    OrthogonalProjection,
    Rescale,
    Sharpen,
    Standardise,
)

Countermeasure = Annotated[
    NoCountermeasure
    | EarlyStopping
    | Grayscale
    | Jpeg
    | BitDepth
    | Blur
    | Median
    | Rescale
    | Standardise
    | Sharpen
    | OrthogonalProjection
    | Cutout
    | Mixup
    | CutMix
    | RandAugment
    | TrivialAugment
    | AutoAugment
    | ColourJitter
    | UEraser
    | AdversarialTraining
    | Dilution,
    Field(discriminator="kind"),
]

# What every report should hold (the field's common practice); `evaluate --countermeasures tier-a`.
TIER_A: tuple[Countermeasure, ...] = (
    NoCountermeasure(),
    EarlyStopping(),
    Cutout(),
    Mixup(),
    CutMix(),
    RandAugment(),
    TrivialAugment(),
    AutoAugment(),
    Grayscale(),
    *(Jpeg(quality=quality) for quality in (10, 30, 50, 70, 90)),
    *(BitDepth(bits=bits) for bits in (2, 3, 4)),
    *(Blur(sigma=sigma) for sigma in (0.5, 1.0, 2.0)),
    *(Median(side=side) for side in (3, 5)),
    Rescale(),
    Standardise(),
    ColourJitter(),
)
TIER_B: tuple[Countermeasure, ...] = (
    *(AdversarialTraining(epsilon=epsilon) for epsilon in (2, 4, 8)),
    UEraser(mode="lite"),
    UEraser(mode="max"),
    OrthogonalProjection(),
    Sharpen(),
)
