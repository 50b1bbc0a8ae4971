"""What a reproduction can't do as asked, found before anything is made."""

import os
from collections.abc import Sequence

from flows.paper import places
from infra.errors import ConfigurationError
from infra.keyring import VARIABLE
from schemas.experiments import DatasetName, Experiment, PaperResult, ReproduceConfig
from tasks.evaluate import data, feasibility
from tasks.shard import source


def check(results: Sequence[PaperResult], config: ReproduceConfig) -> None:
    """Raise ConfigurationError for a dataset that is not there or lacks classes, or pictures too small for a victim.

    Also when the key of the environment would take the place of the noise seed. Raises DataError and StorageError for
    datasets that can't be read.
    """
    if VARIABLE in os.environ:
        problem = f"{VARIABLE} is set, and a reproduction draws its noise from --noise-seed"
        raise ConfigurationError(problem, f"unset {VARIABLE} for this command")
    experiments = [one for result in results for one in result.experiments]
    for name, split in dict.fromkeys(use for one in experiments for use in uses(one)):
        source.plan(places.of(name, split, config).model_copy(update={"limit": None}))
    if any(one.measured in {"auc", "tar"} for one in experiments):
        places.pairs_file(config)
    for one in experiments:
        _check_classes(one, config)
    _check_sizes(experiments, config)


def uses(one: Experiment) -> list[tuple[DatasetName, str]]:
    """The datasets that an experiment reads, with their splits."""
    found: list[tuple[DatasetName, str]] = []
    for name in filter(None, (one.dataset, one.beside)):
        found.append((name, "train"))
        found.append((name, "test"))
    for noise in filter(None, (one.noise, one.trigger)):
        if noise.public:
            found.append((noise.public, "train"))
    if one.measured in {"auc", "tar"}:
        found.append(("face-pairs", "test"))
    return found


def _check_classes(one: Experiment, config: ReproduceConfig) -> None:
    spec = places.of(one.dataset, "train", config)
    for chosen in (one.classes, one.beside_classes, *(n.classes for n in (one.noise, one.trigger) if n)):
        if chosen is not None:
            known = places.class_names(spec)
            strangers = [name for name in places.classes_of(chosen, spec) or () if name not in known]
            if strangers:
                raise ConfigurationError(f"{spec.url} has no class {strangers[0]}", "name it so in its classes.json")
    if one.noise and one.noise.mapping and one.noise.public:
        places.maps(one.noise.mapping, places.of(one.noise.public, "train", config))


def _check_sizes(experiments: Sequence[Experiment], config: ReproduceConfig) -> None:
    sides: dict[DatasetName, int] = {}
    for one in experiments:
        size = one.victim.recipe.size
        if size is None:
            known = sides.get(one.dataset)
            size = known or data.typical_side(places.of(one.dataset, "train", config))
            sides[one.dataset] = size
        feasibility.check_sizes((one.victim,), (one.countermeasure,), {one.victim.name: size})
