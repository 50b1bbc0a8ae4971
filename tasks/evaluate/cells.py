"""The matrix of an evaluation: which victims are trained on what."""

from pydantic import Field

from schemas.base import Schema
from schemas.countermeasures import Countermeasure, EarlyStopping, NoCountermeasure
from schemas.evaluate import EvaluateConfig, Part
from schemas.victims import Victim


class Cell(Schema):
    """One training run to be done."""

    protected: str | None = Field(description="The protected copy to train on; None: the clean pictures.")
    part: Part = Field(default="all", description="What of the copy is trained on.")
    victim: Victim
    countermeasure: Countermeasure
    seed: int

    @property
    def label(self) -> str:
        """What it trains on what, for the name of its run: `tiny, jpeg-10, seed 0 on ./protected`."""
        part = "" if self.part == "all" else f" (its {self.part} part)"
        data = "clean pictures" if self.protected is None else f"{self.protected}{part}"
        return f"{self.victim.name}, {self.countermeasure.name}, seed {self.seed} on {data}"


def cells(config: EvaluateConfig, parted: frozenset[str] = frozenset()) -> list[Cell]:
    """Every victim x countermeasure x seed, on the clean pictures and on each protected copy, each run once.

    Copies that are `parted` are trained on by their parts too, as the configuration asks. Early stopping is plain
    training seen another way, so it needs no run of its own.
    """
    plain = [NoCountermeasure() if isinstance(each, EarlyStopping) else each for each in config.countermeasures]
    sets = [(None, "all"), *((copy, part) for copy in config.protected for part in _parts(config, copy, parted))]
    return [
        Cell(protected=copy, part=part, victim=victim, countermeasure=countermeasure, seed=seed)
        for victim in dict.fromkeys(config.victims)
        for countermeasure in dict.fromkeys(plain)
        for copy, part in sets
        for seed in range(config.seeds)
    ]


def steps(chosen: list[Cell]) -> int:
    """Epochs that these runs have together."""
    return sum(cell.victim.recipe.epochs for cell in chosen)


def _parts(config: EvaluateConfig, copy: str, parted: frozenset[str]) -> tuple[Part, ...]:
    """The parts of a copy that are asked for. The protected part of one that is not `parted` is all of it."""
    if copy in parted:
        return tuple(dict.fromkeys(config.parts))
    return ("all",) if {"all", "protected"} & set(config.parts) else ()
