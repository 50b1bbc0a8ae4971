"""Every form of the paper on 4,000 CIFAR-10 pictures, with the small net: `python -m benchmarks.studies.forms`.

With names of cells it makes those alone. Fits and runs are remembered, so it goes on where it was stopped.
"""

from functools import partial

from benchmarks.studies import lab
from benchmarks.studies.lab import Cell, Made, Set
from benchmarks.studies.making import OTHER_KEYS, Protection, clean_part, protect
from schemas.coverage import Coverage
from schemas.noise import (
    Application,
    ErrorMaximizing,
    ErrorMinimizing,
    ErrorMinimizingLBFGS,
    NoiseMethod,
    Placement,
    RandomNoise,
)

SAMPLE = ErrorMinimizing()
CLASS = ErrorMinimizing(form="class-wise")
# The paper's recipe with the small source model; the fit is capped lower than the preset's 30 rounds.
PAPER_SAMPLE = ErrorMinimizing(preset="paper", source_model="tiny", max_rounds=12)
PAPER_CLASS = ErrorMinimizing(preset="paper", form="class-wise", source_model="tiny", max_rounds=30)
# Appendix I's T of 200 and M of 100 cost 20 minutes a round here: fewer, and few rounds.
LBFGS_SAMPLE = ErrorMinimizingLBFGS(procedure="joint", steps=40, model_steps=50, min_rounds=3, max_rounds=3)
LBFGS_CLASS = ErrorMinimizingLBFGS(form="class-wise", steps=40, model_steps=50, min_rounds=3, max_rounds=6)


def train_set() -> Set:
    return lab.load("cifar10", "train", 32, 4000)


def test_set() -> Set:
    return lab.load("cifar10", "test", 32)


def _protected(wanted: Protection) -> Made:
    return protect(wanted, train_set())


def _clean() -> Made:
    return Made(train_set())


def _clean_part(fraction: float) -> Made:
    return clean_part(train_set(), fraction)


def _cell(name: str, method: NoiseMethod, **more: object) -> Cell:
    return Cell(name, partial(_protected, Protection(method, **more)), test_set)


def cells() -> list[Cell]:
    as_published = Application(arithmetic="as-published")
    return [
        Cell("clean", _clean, test_set),
        _cell("random, sample-wise", RandomNoise()),
        _cell("random, class-wise", RandomNoise(form="class-wise")),
        _cell("error-minimizing, sample-wise, standard", SAMPLE),
        _cell("error-minimizing, class-wise, standard", CLASS),
        *(
            _cell(f"error-minimizing, {method.form}, standard, {which} key", method, key=key)
            for method in (SAMPLE, CLASS)
            for which, key in zip(("second", "third"), OTHER_KEYS, strict=True)
        ),
        _cell("error-minimizing, sample-wise, fast", ErrorMinimizing(preset="fast")),
        _cell("error-minimizing, class-wise, fast", ErrorMinimizing(preset="fast", form="class-wise")),
        _cell("as published, sample-wise", SAMPLE, application=as_published),
        _cell("as published, class-wise", CLASS, application=as_published),
        *(
            _cell(f"patch {side}, class-wise", CLASS, application=Application(placement=Placement(patch=side)))
            for side in (8, 16, 24)
        ),
        _cell("two class-wise sets", CLASS, application=Application(mixture="two-sets")),
        _cell("class-wise + uniform", CLASS, application=Application(mixture="with-uniform")),
        *(
            _cell(f"{share} % protected, sample-wise", SAMPLE, coverage=Coverage(fraction=share / 100))
            for share in (20, 40, 60, 80)
        ),
        _cell("bird protected, sample-wise", SAMPLE, coverage=Coverage(classes=("bird",))),
        _cell("error-maximizing, sample-wise", ErrorMaximizing()),
        _cell("error-maximizing, class-wise", ErrorMaximizing(form="class-wise")),
        _cell("error-minimizing, class-wise, paper", PAPER_CLASS),
        _cell("error-minimizing, sample-wise, paper", PAPER_SAMPLE),
        _cell("L-BFGS form, class-wise", LBFGS_CLASS),
        _cell("L-BFGS form, sample-wise", LBFGS_SAMPLE),
        _cell("80 % protected, class-wise", CLASS, coverage=Coverage(fraction=0.8)),
        *(
            Cell(f"clean {100 - share} % alone", partial(_clean_part, share / 100), test_set)
            for share in (80, 60, 40, 20)
        ),
    ]


if __name__ == "__main__":
    lab.main("benchmarks.studies.forms", cells())
