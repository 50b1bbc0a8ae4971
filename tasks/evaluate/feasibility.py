"""What an evaluation can't do as asked, found before anything is trained."""

from collections import Counter
from collections.abc import Iterable

from infra.errors import ConfigurationError
from infra.storage import Folder
from schemas.countermeasures import Countermeasure
from schemas.evaluate import EvaluateConfig
from schemas.victims import FineTunedVictim, LinearProbeVictim, Victim
from tasks.evaluate import backdoor, pairs, places, pretrained, sets, shard_sets, treatment
from tasks.evaluate import victim as victims
from tasks.rewrite.audit import manifest_of


def check(config: EvaluateConfig) -> None:
    """Raise ConfigurationError, in one line, for the first thing that can't be done as asked.

    Names that a report could not tell apart; parts that no copy has; another dataset beside the copies together with
    what is measured on the copies alone, or streamed; test pictures that are trained on; pictures too small for a
    victim or a countermeasure; classes too many for one; pretrained weights that are not at hand; pairs of faces and
    class-wise noise that are not fit for their tests. What it loads for that is kept for the runs. Raises DataError
    and StorageError for datasets that can't be read, and for test pictures of a class that training lacks.
    """
    _require_distinct("victim", (each.name for each in config.victims))
    _require_distinct("countermeasure", (each.name for each in config.countermeasures))
    _require_distinct("part", config.parts)
    _check_parts(config)
    _check_beside(config)
    if config.memory == "streamed":
        shard_sets.check(config)
    places.check_tests(config)
    sizes = {victim.name: sets.size_of(config, victim.recipe) for victim in config.victims}
    check_sizes(config.victims, config.countermeasures, sizes)
    for victim in config.victims:
        _require_weights(victim, sizes[victim.name])
    for size in sorted(set(sizes.values())):
        check_classes(config.countermeasures, len(sets.test_set(config, size).classes), size)
        if config.pairs is not None:
            pairs.faces(config.pairs, size)
        if config.backdoor:
            backdoor.check(config, size)


def _require_distinct(what: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        problem = f"the {what} {twice[0]} is asked for more than once"
        raise ConfigurationError(problem, "leave the others out: a report could not tell them apart")


def _check_parts(config: EvaluateConfig) -> None:
    asked = [part for part in config.parts if part != "all"]
    if asked and not any(map(sets.is_parted, config.protected)):
        problem = f"parts asks for the {' and the '.join(asked)} pictures of a copy, and no copy is partly protected"
        raise ConfigurationError(problem, "give a copy made with --fraction or --classes, or leave parts at all")


def _check_beside(config: EvaluateConfig) -> None:
    if config.beside is None:
        return
    asked = [name for name, on in (("pairs", config.pairs is not None), ("backdoor", config.backdoor)) if on]
    if asked:
        problem = f"{' and '.join(asked)} can't be measured on victims that learn another dataset beside the copies"
        raise ConfigurationError(problem, "leave beside out, or evaluate that by itself")
    classes = config.beside.classes or ()
    _require_distinct("class of beside", classes)
    for copy in config.protected:
        known = manifest_of(Folder(copy)).dataset.class_names
        strangers = [name for name in classes if name not in known]
        if strangers:
            problem = f"beside names the class {strangers[0]}, which {copy} does not have"
            raise ConfigurationError(problem, f"its classes are {', '.join(known[:20])}")


def check_sizes(networks: Iterable[Victim], done: Iterable[Countermeasure], sizes: dict[str, int]) -> None:
    """Every victim, and every countermeasure for every victim, against the side that the victim sees pictures at.

    `sizes`: that side in pixels by the victim's name. Raises ConfigurationError.
    """
    needs = [(f"victim {each.name}", victims.module_of(each).smallest(each), each.name) for each in networks]
    for each in done:
        smallest = treatment.module_of(each).smallest(each)
        needs += [(f"countermeasure {each.name}", smallest, victim) for victim in sizes]
    small = {what: (least, sizes[victim]) for what, least, victim in needs if sizes[victim] < least}
    if small:
        found = " and ".join(str(size) for size in sorted({size for _, size in small.values()}))
        listed = ", ".join(f"{what} (from {least} on)" for what, (least, _) in small.items())
        problem = f"pictures of {found} pixels are too small for {listed}"
        raise ConfigurationError(problem, "leave it out, or have victims see the pictures larger (recipe.size)")


def check_classes(done: Iterable[Countermeasure], classes: int, size: int) -> None:
    """Every countermeasure that takes only so many classes of pictures of side `size`. Raises ConfigurationError."""
    for each in done:
        most = treatment.most_classes(each, size)
        if most is not None and classes > most:
            problem = f"{each.name} takes up to {most} classes of pictures of {size} pixels, not {classes}"
            raise ConfigurationError(problem, "leave it out, or have victims see the pictures larger (recipe.size)")


def _require_weights(victim: Victim, size: int) -> None:
    """That a file with weights is there does not tell that it can be read, and belongs to the backbone."""
    if isinstance(victim, LinearProbeVictim | FineTunedVictim):
        pretrained.load(victim, size)
