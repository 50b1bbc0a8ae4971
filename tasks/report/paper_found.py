"""What a reproduction found: each experiment of a result, the runs behind it, and what came out."""

from collections.abc import Sequence

from schemas.evaluate import VictimRun
from schemas.experiments import Experiment, Outcome, Scale

Read = tuple[Experiment, tuple[VictimRun, ...], Outcome]
Found = Sequence[Read]


def finished(runs: Sequence[VictimRun]) -> list[VictimRun]:
    """The runs that did not diverge, in their order."""
    return [run for run in runs if not run.diverged]


def rows_of(found: Found) -> list[str]:
    """The rows of the result, each once, in their order."""
    return list(dict.fromkeys(one.row for one, *_ in found))


def labelled(name: str, scale: Scale) -> str:
    """A result's name as every output bears it: with its scale, where that is not the paper's."""
    return f"{name} (small scale)" if scale == "small" else name
