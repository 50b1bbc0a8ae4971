"""Experiments and outcomes of a made-up result of the paper."""

from typing import Any

from schemas.experiments import Experiment, Noise, Outcome, PaperResult
from schemas.noise import ErrorMinimizing
from schemas.victims import TinyVictim

CLASS_WISE = Noise(method=ErrorMinimizing(form="class-wise"))
SAMPLE_WISE = Noise(method=ErrorMinimizing(form="sample-wise"))


def one(row: str, column: str, noise: Noise | None = None, **fields: Any) -> Experiment:
    """An experiment on CIFAR-10."""
    return Experiment(
        **{"dataset": "cifar10", "row": row, "column": column, "noise": noise, "victim": TinyVictim(), **fields}
    )


def outcome(of: Experiment, *values: float, **fields: Any) -> Outcome:
    """What came out of an experiment, a value a seed."""
    known = of.model_dump(include={"dataset", "row", "column", "measured", "paper"})
    return Outcome(**{**known, "victim": of.victim.name, "values": values, **fields})


def result(*experiments: Experiment, **fields: Any) -> PaperResult:
    """A result of these experiments."""
    known = {"name": "table9", "title": "A title", "finding": "A finding.", "experiments": experiments}
    return PaperResult(**{**known, **fields})
