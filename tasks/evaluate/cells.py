"""The matrix of an evaluation: which victims are trained on what."""

from pydantic import Field

from schemas.base import Schema
from schemas.evaluate import Countermeasure, EvaluateConfig, Victim


class Cell(Schema):
    """One training run to be done."""

    protected: str | None = Field(description="The protected copy to train on; None: the clean pictures.")
    victim: Victim
    countermeasure: Countermeasure
    seed: int


def cells(config: EvaluateConfig) -> list[Cell]:
    """Every victim x countermeasure x seed, on the clean pictures and on each protected copy."""
    return [
        Cell(protected=copy, victim=victim, countermeasure=countermeasure, seed=seed)
        for victim in config.victims
        for countermeasure in config.countermeasures
        for copy in (None, *config.protected)
        for seed in range(config.seeds)
    ]


def steps(config: EvaluateConfig) -> int:
    """Epochs in the whole matrix."""
    return sum(cell.victim.recipe.epochs for cell in cells(config))
