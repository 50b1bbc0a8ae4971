"""Section 4.2: what partial protection is worth. Table 2, Figures 2 and 5."""

from collections.abc import Iterator

from flows.paper.parts import FORMS, error_minimizing, resnet18
from schemas.evaluate import Part
from schemas.experiments import Experiment, Noise, PaperResult
from schemas.noise import Form

# Percent of the data that is unlearnable, to the victim's clean test accuracy: the paper's Table 2.
_TABLE2: dict[Form, dict[int, float]] = {
    "sample-wise": {0: 94.95, 20: 94.38, 40: 93.10, 60: 91.90, 80: 86.85, 100: 19.93},
    "class-wise": {0: 94.95, 20: 94.24, 40: 92.99, 60: 91.10, 80: 87.23, 100: 16.42},
}
_CLEAN_ALONE = {0: 94.95, 20: 93.75, 40: 92.56, 60: 89.77, 80: 84.30}
_CLASS_SETS = (("bird",), ("bird", "cat"), ("bird", "cat", "deer", "dog"))


def _noise(form: Form, percent: int) -> Noise | None:
    return Noise(method=error_minimizing(form), fraction=percent / 100) if percent else None


def _table2() -> Iterator[Experiment]:
    for form, numbers in _TABLE2.items():
        for percent, paper in numbers.items():
            yield Experiment(
                dataset="cifar10",
                row=f"{form}, Du + Dc",
                column=f"{percent} %",
                noise=_noise(form, percent),
                victim=resnet18(),
                paper=paper,
            )
    for percent, paper in _CLEAN_ALONE.items():
        yield Experiment(
            dataset="cifar10",
            row="Dc alone",
            column=f"{percent} %",
            noise=_noise("sample-wise", percent),
            part="clean" if percent else "all",
            victim=resnet18(),
            paper=paper,
        )


TABLE2 = PaperResult(
    name="table2",
    title="Clean test accuracy by the share of CIFAR-10 that is unlearnable, and from the clean rest alone",
    finding="A victim learns from the clean part as if the protected part were not there: only full protection "
    "protects the dataset. The protected pictures themselves add little.",
    drawing="lines",
    across="unlearnable, % of the training pictures",
    experiments=tuple(_table2()),
)


_PARTS: dict[str, Part] = {"20 % clean alone": "clean", "80 % unlearnable alone": "protected", "both": "all"}


def _fig2() -> Iterator[Experiment]:
    for form in FORMS:
        noise = _noise(form, 80)
        for label, part in _PARTS.items():
            yield Experiment(dataset="cifar10", row=label, column=form, noise=noise, part=part, victim=resnet18())


FIG2 = PaperResult(
    name="fig2",
    title="Learning curves with 80 % of CIFAR-10 unlearnable: the clean part, the unlearnable part, and both",
    finding="The unlearnable part alone teaches next to nothing, and adds little to the clean part.",
    drawing="curves",
    experiments=tuple(_fig2()),
)


def _protected_classes() -> Iterator[Experiment]:
    for form in FORMS:
        for classes in _CLASS_SETS:
            noise = Noise(method=error_minimizing(form), classes=classes)
            for others in (False, True):
                which = "others" if others else "protected"
                common = {"dataset": "cifar10", "victim": resnet18(), "classes": classes, "others": others}
                row = f"{form}, {'/'.join(classes)}"
                yield Experiment(**common, row=row, column=f"{which}, clean data")
                yield Experiment(**common, row=row, column=f"{which}, unlearnable", noise=noise)


_CLASSES = tuple(_protected_classes())

FIG2B = PaperResult(
    name="fig2b",
    title="Confusion matrices with the class bird of CIFAR-10 unlearnable",
    finding="Birds are no longer recognised; the other classes are learnt as before.",
    drawing="confusion",
    experiments=tuple(each for each in _CLASSES if each.classes == _CLASS_SETS[0]),
)

FIG5 = PaperResult(
    name="fig5",
    title="Confusion matrices with several classes of CIFAR-10 unlearnable",
    finding="Each protected class is no longer recognised; the other classes are learnt as before.",
    drawing="confusion",
    experiments=tuple(each for each in _CLASSES if each.classes != _CLASS_SETS[0]),
)
