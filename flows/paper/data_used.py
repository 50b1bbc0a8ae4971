"""What stood for the paper's datasets: those that victims learnt, that noise was made on, whose pairs were verified."""

from collections.abc import Iterator, Sequence

from flows.paper import places
from flows.paper.copies import Copy
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig
from schemas.experiments import DatasetName, DataUsed, Experiment
from tasks.evaluate import data, measure, sets
from tasks.evaluate.data import Pictures


def used(members: Sequence[Experiment], copies: Sequence[Copy | None], config: EvaluateConfig) -> Iterator[DataUsed]:
    """Of experiments that share their data, with the copies that they use. Raises DataError, StorageError."""
    first = members[0]
    yield from _learnt(first, config)
    for one, copy in zip(members, copies, strict=True):
        if one.noise and one.noise.public and copy and copy.config.public:
            yield _public(one.noise.public, copy.config.public)
    if config.pairs:
        yield DataUsed(name="face-pairs", source=measure.name_of(config.pairs.pictures), use="pairs")


def _learnt(first: Experiment, config: EvaluateConfig) -> Iterator[DataUsed]:
    """The dataset, and the one that was learnt beside it."""
    size = sets.size_of(config, config.victims[0].recipe)
    alone = config.model_copy(update={"beside": None})
    training, test = sets.clean_set(config, size), sets.test_set(alone, size)
    kept = config.beside.classes if config.beside else None
    classes = len(training.classes)
    if kept is not None:
        training, test = data.of_classes(training, kept), data.of_classes(test, kept)
    yield _counted(first.dataset, config.clean, classes, training, test, kept)
    if config.beside and first.beside:
        training, test = sets.beside_sets(config.beside, size)
        yield _counted(first.beside, config.beside.train, len(training.classes), training, test, None)


def _counted(
    name: DatasetName,
    spec: SourceSpec,
    classes: int,
    training: Pictures,
    test: Pictures,
    kept: tuple[str, ...] | None,
) -> DataUsed:
    source, train = measure.name_of(spec), len(training.images)
    return DataUsed(name=name, source=source, classes=classes, kept=kept, train=train, test=len(test.images))


def _public(name: DatasetName, spec: SourceSpec) -> DataUsed:
    classes = len(places.class_names(spec))
    return DataUsed(name=name, source=measure.name_of(spec), use="noise", classes=classes)
