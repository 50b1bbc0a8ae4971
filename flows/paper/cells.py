"""Experiments that share their data, and the training runs that they need: a run that several need is one run."""

from collections.abc import Iterator
from dataclasses import dataclass

from flows.paper import data_used, places
from flows.paper.copies import Copies, Copy
from schemas.evaluate import Beside, EvaluateConfig, Pairs
from schemas.experiments import DataUsed, Experiment, PaperResult, ReproduceConfig
from schemas.fitted import NoiseRecord
from tasks.evaluate import feasibility, sets
from tasks.evaluate.cells import Cell, steps


@dataclass(frozen=True)
class Group:
    """Experiments on one dataset that are measured alike, the evaluation they belong to, and the copies they use."""

    members: tuple[Experiment, ...]
    evaluation: EvaluateConfig
    copies: tuple[Copy | None, ...]
    triggers: tuple[Copy | None, ...]

    @property
    def cost(self) -> bool:
        """True for experiments that time the noise and train no victim."""
        return self.members[0].measured == "cost"

    def check(self) -> None:
        """Raise ConfigurationError when one of the runs could not be done, before any is."""
        feasibility.check(self.evaluation)

    def cells(self, seeds: int) -> list[Cell]:
        """Each training run once."""
        return list(dict.fromkeys(cell for one in self.members for cell in self.cells_of(one, seeds)))

    def epochs(self, seeds: int) -> int:
        """Epochs that all runs have together."""
        return steps(self.cells(seeds))

    def cells_of(self, one: Experiment, seeds: int) -> list[Cell]:
        """The training runs of one experiment, a seed each."""
        copy = self._copy(one)
        return [
            Cell(
                protected=copy.place if copy else None,
                part=one.part,
                victim=one.victim,
                countermeasure=one.countermeasure,
                seed=seed,
            )
            for seed in range(seeds)
        ]

    def copy_of(self, one: Experiment) -> Copy:
        """The copy of an experiment that has noise."""
        copy = self._copy(one)
        if copy is None:
            raise ValueError(f"{one.row} has no noise")
        return copy

    def classes_of(self, one: Experiment) -> tuple[str, ...] | None:
        """Names of the classes whose accuracy counts; None: all."""
        return places.classes_of(one.classes, self.evaluation.clean)

    def data(self) -> list[DataUsed]:
        """What stood for the datasets."""
        return list(dict.fromkeys(data_used.used(self.members, self.copies, self.evaluation)))

    def noise_of(self, one: Experiment) -> NoiseRecord | None:
        """The record of an experiment's noise, if it has any."""
        copy = self._copy(one)
        return copy.noise if copy else None

    def trigger_of(self, one: Experiment) -> str | None:
        """The caption of the copy whose noise is the trigger; None where there is no such test."""
        if one.measured != "backdoor":
            return None
        copy = self.triggers[self.members.index(one)] or self._copy(one)
        return sets.caption(copy.place) if copy else None

    def _copy(self, one: Experiment) -> Copy | None:
        return self.copies[self.members.index(one)]


def groups_of(result: PaperResult, config: ReproduceConfig, copies: Copies) -> Iterator[Group]:
    """The experiments of a table or figure, those together that share their data; their copies are made."""
    for members in _together(result.experiments):
        first = members[0]
        made = tuple(one.noise and copies.of(one.noise, one.dataset) for one in members)
        triggers = tuple(one.trigger and copies.of(one.trigger, one.dataset) for one in members)
        destinations = dict.fromkeys(each.place for each in (*made, *triggers) if each)
        evaluation = EvaluateConfig(
            protected=tuple(destinations),
            clean=places.of(first.dataset, "train", config),
            test=places.of(first.dataset, "test", config),
            workspace=config.workspace,
            victims=tuple(dict.fromkeys(one.victim for one in members)),
            countermeasures=tuple(dict.fromkeys(one.countermeasure for one in members)),
            beside=_beside(first, config),
            pairs=_pairs(first, config),
            backdoor=first.measured == "backdoor",
            seeds=config.seeds,
            device=config.device,
        )
        yield Group(members, evaluation, made, triggers)


# What is read off the same runs.
_KINDS = {"tar": "auc", "peak": "accuracy"}


def _together(experiments: tuple[Experiment, ...]) -> Iterator[tuple[Experiment, ...]]:
    def shared(one: Experiment) -> tuple[object, ...]:
        kind = _KINDS.get(one.measured, one.measured)
        return (one.dataset, one.beside, one.beside_classes, kind)

    for key in dict.fromkeys(map(shared, experiments)):
        yield tuple(one for one in experiments if shared(one) == key)


def _beside(one: Experiment, config: ReproduceConfig) -> Beside | None:
    if one.beside is None:
        return None
    train, test = (places.of(one.beside, split, config) for split in ("train", "test"))
    return Beside(train=train, test=test, classes=one.beside_classes)


def _pairs(one: Experiment, config: ReproduceConfig) -> Pairs | None:
    if one.measured not in {"auc", "tar"}:
        return None
    pictures = places.of("face-pairs", "test", config)
    return Pairs(file=places.pairs_file(config), pictures=pictures)
