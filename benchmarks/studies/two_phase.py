"""What two-phase sample-wise noise needs, beside joint noise: `python -m benchmarks.studies.two_phase`.

Two data sets, two victims, noise fitted on the private pictures and on public ones. The source model is the small
net throughout. Fits and runs are remembered, so it goes on where it was stopped.
"""

from functools import partial

from benchmarks.studies import lab
from benchmarks.studies.forms import test_set, train_set
from benchmarks.studies.lab import SMALL, Cell, Made, Set
from benchmarks.studies.making import Protection, protect
from schemas.noise import ErrorMinimizing
from schemas.recipe import TinyRecipe
from schemas.victims import ResNet18Victim, Victim

# A quarter of ResNet-18's width: another architecture, at the price of the small net.
NARROW = ResNet18Victim(width=16, recipe=TinyRecipe(epochs=8))
BOTH = (SMALL, NARROW)
STANDARD = ErrorMinimizing()
JOINT = ErrorMinimizing(procedure="joint")


def public_set() -> Set:
    return lab.load("cifar10match64", "train", 32)


def signs() -> Set:
    return lab.load("gtsrb32", "train", 32)


def signs_test() -> Set:
    return lab.load("gtsrb32", "test", 32)


def _private(method: ErrorMinimizing) -> Made:
    return protect(Protection(method), train_set())


def _public(method: ErrorMinimizing) -> Made:
    return protect(Protection(method), train_set(), public_set())


def _signs(method: ErrorMinimizing | None) -> Made:
    return Made(signs()) if method is None else protect(Protection(method), signs())


def _steps(count: int, alpha: float) -> ErrorMinimizing:
    return ErrorMinimizing(perturb_steps=count, perturb_alpha=alpha)


def cells() -> list[Cell]:
    def private(name: str, method: ErrorMinimizing, victims: tuple[Victim, ...] = (SMALL,)) -> Cell:
        return Cell(name, partial(_private, method), test_set, victims)

    def public(name: str, method: ErrorMinimizing, victims: tuple[Victim, ...] = (SMALL,)) -> Cell:
        return Cell(name, partial(_public, method), test_set, victims)

    def of_signs(name: str, method: ErrorMinimizing | None) -> Cell:
        return Cell(name, partial(_signs, method), signs_test)

    return [
        private("joint", JOINT, BOTH),
        public("two-phase, public fit, 5 steps", STANDARD, BOTH),
        private("two-phase, private fit, 5 steps", STANDARD, BOTH),
        Cell("clean", lambda: Made(train_set()), test_set, BOTH),
        of_signs("signs, clean", None),
        of_signs("signs, joint", JOINT),
        of_signs("signs, two-phase, private fit, 5 steps", STANDARD),
        private("two-phase, private fit, 1 step of epsilon", _steps(1, 1.0)),
        private("two-phase, private fit, 2 steps of .6 epsilon", _steps(2, 0.6)),
        private("two-phase, private fit, 3 steps of .4 epsilon", _steps(3, 0.4)),
        private("two-phase, private fit, 20 steps of .1 epsilon", _steps(20, 0.1)),
        private("two-phase, private fit on 1,000", ErrorMinimizing(fit_samples=1000)),
        private("two-phase, private fit on 2,000", ErrorMinimizing(fit_samples=2000)),
        private("two-phase, private fit, 5 rounds", ErrorMinimizing(min_rounds=5, max_rounds=5)),
        private("two-phase, private fit, 20 rounds", ErrorMinimizing(min_rounds=20, max_rounds=20)),
    ]


if __name__ == "__main__":
    lab.main("benchmarks.studies.two_phase", cells())
