"""All tables and figures of the paper, and what of them is asked for."""

import difflib

from flows.paper import appendix, effectiveness, faces, partial, resistance, transfer
from flows.paper.small import in_small
from infra.errors import ConfigurationError
from schemas.experiments import Experiment, PaperResult, ReproduceConfig
from schemas.victims import ScreenVictim

ALL = (
    effectiveness.FIG1,
    effectiveness.TABLE1,
    partial.TABLE2,
    partial.FIG2,
    partial.FIG2B,
    partial.FIG5,
    transfer.FIG3A,
    transfer.FIG3B,
    transfer.FIG3C,
    resistance.TABLE3,
    resistance.FIG6,
    resistance.TABLE5,
    faces.FIG4,
    faces.FIG7,
    appendix.FIG8,
    appendix.FIG9,
    appendix.COST,
)

_ALSO_CALLED = {"table4": "fig3b"}  # its class map is Table 4


def chosen(config: ReproduceConfig) -> list[PaperResult]:
    """The tables and figures that are asked for, each with the experiments that are, at the scale that is asked for.

    Of `all`, tables of which nothing is left are left out. Raises ConfigurationError for a name that there is none of,
    or when nothing is left of a table that was asked for.
    """
    _require_kinds(config.victims)
    wanted = _named(config.experiments)
    cut = {result.name: _cut(result, config) for result in wanted}
    left = [result.model_copy(update={"experiments": cut[result.name]}) for result in wanted if cut[result.name]]
    empty = [result for result in wanted if not cut[result.name]]
    if empty and ("all" not in config.experiments or not left):
        raise _nothing_of(empty[0])
    return left


def _named(names: tuple[str, ...]) -> list[PaperResult]:
    if "all" in names:
        return list(ALL)
    known = {result.name: result for result in ALL}
    names = tuple(_ALSO_CALLED.get(name, name) for name in names)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}?" if near else "see reproduce --list"
            raise ConfigurationError(f"the paper has no {name} here", meant)
    return [known[name] for name in dict.fromkeys(names)]


def _cut(result: PaperResult, config: ReproduceConfig) -> tuple[Experiment, ...]:
    experiments = result.experiments
    if config.scale == "small":
        experiments = tuple(each for one in experiments for each in in_small(one, config.victims))
    return tuple(one for one in experiments if _is_wanted(one, config))


def _nothing_of(result: PaperResult) -> ConfigurationError:
    datasets = ", ".join(dict.fromkeys(one.dataset for one in result.experiments))
    victims = ", ".join(dict.fromkeys(one.victim.kind for one in result.experiments))
    problem = f"nothing of {result.name} is asked for: it has the datasets {datasets} and the victims {victims}"
    return ConfigurationError(problem, "ask for some of these, or leave --datasets and --victims out")


def _require_kinds(victims: tuple[str, ...] | None) -> None:
    known = {one.victim.kind for result in ALL for one in result.experiments} | {ScreenVictim().kind}
    for kind in victims or ():
        if kind not in known:
            near = difflib.get_close_matches(kind, known, n=1)
            meant = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(known))}"
            raise ConfigurationError(f"the paper has no victim {kind}", meant)


def _is_wanted(one: Experiment, config: ReproduceConfig) -> bool:
    by_dataset = config.datasets is None or one.dataset in config.datasets
    return by_dataset and (config.victims is None or one.victim.kind in config.victims)
