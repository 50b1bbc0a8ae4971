"""All tables and figures of the paper, and what of them is asked for."""

import difflib

from flows.paper import appendix, effectiveness, faces, partial, resistance, transfer
from flows.paper.small import in_small
from infra.errors import ConfigurationError
from schemas.experiments import Experiment, PaperResult, ReproduceConfig

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


def chosen(config: ReproduceConfig) -> list[PaperResult]:
    """The tables and figures that are asked for, each with the experiments that are, at the scale that is asked for.

    Raises ConfigurationError for a name that there is none of, or when nothing of a table is left.
    """
    return [_cut(result, config) for result in _named(config.experiments)]


def _named(names: tuple[str, ...]) -> list[PaperResult]:
    known = {result.name: result for result in ALL}
    if "all" in names:
        return list(ALL)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}?" if near else "see reproduce --list"
            raise ConfigurationError(f"the paper has no {name} here", meant)
    return [known[name] for name in dict.fromkeys(names)]


def _cut(result: PaperResult, config: ReproduceConfig) -> PaperResult:
    experiments = result.experiments
    if config.scale == "small":
        experiments = tuple(each for one in experiments for each in in_small(one, config.victims))
    wanted = tuple(one for one in experiments if _is_wanted(one, config))
    if not wanted:
        datasets = ", ".join(dict.fromkeys(one.dataset for one in experiments))
        victims = ", ".join(dict.fromkeys(one.victim.kind for one in experiments))
        problem = f"nothing of {result.name} is asked for: it has the datasets {datasets} and the victims {victims}"
        raise ConfigurationError(problem, "ask for some of these, or leave --datasets and --victims out")
    return result.model_copy(update={"experiments": wanted})


def _is_wanted(one: Experiment, config: ReproduceConfig) -> bool:
    by_dataset = config.datasets is None or one.dataset in config.datasets
    return by_dataset and (config.victims is None or one.victim.kind in config.victims)
