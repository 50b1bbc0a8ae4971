"""The same experiments in small: a few thousand pictures, small nets, minutes on two CPU cores.

What is smaller: the data (`LIMITS`), the victim (the screening net), the source model (the small net, and for
sample-wise noise the two-phase procedure), and the steps of adversarial training. What stays: the noise's method, form
and budget, its coverage, the countermeasures, and what is measured. No number of these is one of the paper's.
"""

from dataclasses import dataclass

from schemas.countermeasures import AdversarialTraining, Countermeasure
from schemas.experiments import DatasetName, Experiment, Noise
from schemas.noise import ErrorMaximizing, ErrorMinimizing, ErrorMinimizingLBFGS, MinMin, NoiseMethod
from schemas.victims import ScreenVictim, Victim
from tasks.evaluate import victim as victims_of

# Whose row stands for all victims of a table.
_OF_RECORD = ("resnet18", "inception-resnet-v1")
_LABEL, _SMALL_LABEL = "RN-18", "screen"  # where a row or a column names the victim
_IDENTITIES = 20
_ATTACK_STEPS, _ATTACK_STEP = 4, 0.5


@dataclass(frozen=True)
class Limits:
    """Training and test pictures at most, the side in pixels at which all nets see them, and what a fit sees."""

    train: int | None
    test: int | None
    size: int
    fit: int


_USUAL = Limits(4000, 2000, 32, 2000)
_FACES = Limits(2000, 2000, 48, 2000)
LIMITS: dict[DatasetName, Limits] = {
    "cifar100": Limits(10_000, 2000, 32, 4000),
    "imagenet100": Limits(10_000, 2000, 32, 4000),
    "imagenet32": Limits(5000, 2000, 32, 2000),
    "webface": _FACES,
    "celeba100": _FACES,
    "face-pairs": Limits(None, None, 48, 0),
}


def limits_of(dataset: DatasetName) -> Limits:
    """How much of a dataset is taken."""
    return LIMITS.get(dataset, _USUAL)


def in_small(one: Experiment, victims: tuple[str, ...] | None) -> list[Experiment]:
    """The experiment in small; none for a row of other victims than ResNet-18, unless they are asked for by name.

    Victims that are asked for keep their form, take the small recipe's epochs, and see pictures as large as they need.
    Where the screening net stands beside the victim that it stands in for, rows tell the two apart.
    """
    named = victims is not None and one.victim.kind in victims
    screened = (victims is None or "screen" in victims) and one.victim.kind in _OF_RECORD
    ways = ([_reduced(one, named=True)] if named else []) + ([_reduced(one, named=False)] if screened else [])
    return [_with_its_victim(each) for each in ways] if len(ways) > 1 else ways


def _with_its_victim(one: Experiment) -> Experiment:
    if {_LABEL, _SMALL_LABEL} & {*one.row.split(", "), *one.column.split(", ")}:
        return one
    return one.model_copy(update={"row": f"{one.row}, {one.victim.kind}"})


def _reduced(one: Experiment, named: bool) -> Experiment:
    classes = _fewer(one.classes)
    update = {
        "noise": one.noise and _noise(one.noise, one.dataset),
        "trigger": one.trigger and _noise(one.trigger, one.dataset),
        "victim": _victim(one, named),
        "countermeasure": _countermeasure(one),
        "classes": classes,
        "row": one.row if named else one.row.replace(_LABEL, _SMALL_LABEL),
        "column": one.column if named else one.column.replace(_LABEL, _SMALL_LABEL),
    }
    return one.model_copy(update=update)


def _victim(one: Experiment, named: bool) -> Victim:
    small = ScreenVictim()
    size = limits_of(one.dataset).size
    epochs = {"epochs": 2 * small.recipe.epochs} if one.dataset == "webface" else {}
    if not named:
        recipe = small.recipe.model_copy(update={"size": size, **epochs})
        return small.model_copy(update={"recipe": recipe})
    size = max(size, victims_of.module_of(one.victim).smallest(one.victim))
    recipe = one.victim.recipe.model_copy(update={"size": size, "epochs": small.recipe.epochs, **epochs})
    return one.victim.model_copy(update={"recipe": recipe})


def _countermeasure(one: Experiment) -> Countermeasure:
    if isinstance(one.countermeasure, AdversarialTraining):
        update = {"steps": _ATTACK_STEPS, "step_size": _ATTACK_STEP}
        return one.countermeasure.model_copy(update=update)
    return one.countermeasure


def _noise(noise: Noise, dataset: DatasetName) -> Noise:
    method = _method(noise.method, limits_of(dataset))
    return noise.model_copy(update={"method": method, "classes": _fewer(noise.classes)})


def _method(method: NoiseMethod, limits: Limits) -> NoiseMethod:
    size, samples = limits.size, limits.fit
    if isinstance(method, ErrorMinimizing):
        return ErrorMinimizing(form=method.form, working_size=size, fit_samples=samples)
    if isinstance(method, ErrorMinimizingLBFGS):
        return _lbfgs(method, limits)
    if isinstance(method, ErrorMaximizing):
        return ErrorMaximizing(form=method.form, working_size=size, fit_samples=samples)
    return method.model_copy(update={"working_size": size})


def _lbfgs(method: MinMin, limits: Limits) -> ErrorMinimizingLBFGS:
    """By the same procedure as PGD here, with twice the steps that it takes by default.

    Class-wise its error falls slowly (.4 after nine rounds of CIFAR-10), and ten are what half an hour has room for.
    """
    fields = {"form": method.form, "working_size": limits.size, "fit_samples": limits.fit}
    capped = {"max_rounds": 10} if method.form == "class-wise" else {}
    return ErrorMinimizingLBFGS.model_validate({**fields, **capped, "steps": 40, "perturb_steps": 40})


def _fewer(classes: tuple[str, ...] | int | None) -> tuple[str, ...] | int | None:
    return min(classes, _IDENTITIES) if isinstance(classes, int) else classes
