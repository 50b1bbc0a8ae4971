"""Section 4.1 and appendices: what withstands the noise. Tables 3 and 5, Figure 6."""

from collections.abc import Iterator

from flows.paper.parts import FORMS, error_minimizing, resnet18
from schemas.countermeasures import (
    AdversarialTraining,
    AutoAugment,
    Countermeasure,
    CutMix,
    Cutout,
    Mixup,
    NoCountermeasure,
)
from schemas.experiments import Experiment, Noise, PaperResult
from schemas.noise import Application, Form, NoiseBudget, Placement

_FA = "Fast AutoAugment"
_AUGMENTED: dict[str, Countermeasure] = {"Cutout": Cutout(), "Mixup": Mixup(), "CutMix": CutMix(), _FA: AutoAugment()}
_TABLE3: dict[Form, tuple[float, ...]] = {
    "sample-wise": (19.30, 58.51, 22.40, 42.70),
    "class-wise": (14.62, 17.63, 16.19, 22.89),
}


def _table3() -> Iterator[Experiment]:
    for label, countermeasure in _AUGMENTED.items():
        yield Experiment(
            dataset="cifar10", row="clean data", column=label, victim=resnet18(), countermeasure=countermeasure
        )
    for form, numbers in _TABLE3.items():
        for (label, countermeasure), paper in zip(_AUGMENTED.items(), numbers, strict=True):
            yield Experiment(
                dataset="cifar10",
                row=form,
                column=label,
                noise=Noise(method=error_minimizing(form)),
                victim=resnet18(),
                countermeasure=countermeasure,
                paper=paper,
            )


TABLE3 = PaperResult(
    name="table3",
    title="Clean test accuracy on CIFAR-10 under data augmentation",
    finding="Class-wise noise withstands all four. Sample-wise noise gives way to Mixup (58.51 %) and in part to Fast "
    "AutoAugment. AutoAugment's policies for CIFAR-10 stand in for those of Fast AutoAugment here.",
    experiments=tuple(_table3()),
)

_BUDGETS: dict[int, float | None] = {8: 85.0, 16: None, 24: 79.0}
# The recipe of adversarial training is the released configuration's: a rate of .1, cut after 75 and 90 of 100 epochs.
_HARDENED = resnet18(epochs=100, lr=0.1, schedule="steps")


def _fig6() -> Iterator[Experiment]:
    attack = AdversarialTraining(epsilon=8)
    yield Experiment(dataset="cifar10", row="clean", column="0", victim=_HARDENED, countermeasure=attack)
    for form in FORMS:
        for epsilon, about in _BUDGETS.items():
            yield Experiment(
                dataset="cifar10",
                row=form,
                column=f"{epsilon}",
                noise=Noise(method=error_minimizing(form), budget=NoiseBudget(epsilon=epsilon)),
                victim=_HARDENED,
                countermeasure=attack,
                paper=about if form == "sample-wise" else None,
            )


FIG6 = PaperResult(
    name="fig6",
    title="Adversarial training (8/255) against noise of epsilon 8, 16 and 24",
    finding="Adversarial training undoes the noise: about 85 % at epsilon 8, down to 79 % at epsilon 24.",
    drawing="lines",
    across="epsilon of the noise, 1/255",
    experiments=tuple(_fig6()),
)

_PATCHES = {8: (87.23, 90.66), 16: (19.19, 36.69), 24: (26.42, 50.60), 32: (16.42, 22.89)}
_MIXTURES = {"c1 or c2": ("two-sets", (25.41, 56.20)), "c1 + uniform": ("with-uniform", (14.94, 30.40))}


def _table5() -> Iterator[Experiment]:
    applied: dict[str, tuple[Application, tuple[float, float]]] = {
        f"patch {side}": (Application(placement=Placement(patch=side if side < 32 else None)), numbers)
        for side, numbers in _PATCHES.items()
    }
    applied |= {
        label: (Application.model_validate({"mixture": mixture}), numbers)
        for label, (mixture, numbers) in _MIXTURES.items()
    }
    columns: dict[str, Countermeasure] = {"plain": NoCountermeasure(), _FA: AutoAugment()}
    for column, countermeasure in columns.items():
        yield Experiment(
            dataset="cifar10", row="clean data", column=column, victim=resnet18(), countermeasure=countermeasure
        )
    for row, (application, numbers) in applied.items():
        for (column, countermeasure), paper in zip(columns.items(), numbers, strict=True):
            yield Experiment(
                dataset="cifar10",
                row=row,
                column=column,
                noise=Noise(method=error_minimizing("class-wise"), application=application),
                victim=resnet18(),
                countermeasure=countermeasure,
                paper=paper,
            )


TABLE5 = PaperResult(
    name="table5",
    title="Class-wise noise in patches and in mixtures, plain and with Fast AutoAugment",
    finding="Patches of 16 pixels or more protect about as well as whole pictures; a patch of 8 doesn't. Mixtures "
    "protect in plain training and lose some of it to Fast AutoAugment (here: AutoAugment's policies).",
    experiments=tuple(_table5()),
)
