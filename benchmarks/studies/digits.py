"""What a two-phase fit needs, swept on the embedded digits, which cost little: `python -m benchmarks.studies.digits`.

How many pictures and rounds the fit gets, and how many steps of which size a picture gets. Small net, widths
16-32-64-64, ten epochs; one key and one noise a cell, three seeds of the victim.
"""

from functools import lru_cache, partial

from benchmarks.studies import lab
from benchmarks.studies.lab import Cell, Made, Set
from benchmarks.studies.making import Protection, protect
from schemas.dataset import SourceSpec
from schemas.noise import ErrorMinimizing
from schemas.recipe import TinyRecipe
from schemas.victims import TinyVictim
from tasks.evaluate import data as pictures

WIDTHS = (16, 32, 64, 64)
VICTIM = TinyVictim(widths=WIDTHS, recipe=TinyRecipe(epochs=10))


@lru_cache(2)
def digits(split: str) -> Set:
    found = pictures.load(SourceSpec(url="digits", split=split), 32)
    return Set(found.images, found.labels, found.names, found.classes)


def _made(method: ErrorMinimizing | None) -> Made:
    return Made(digits("train")) if method is None else protect(Protection(method), digits("train"))


def _method(rounds: int = 10, **more: object) -> ErrorMinimizing:
    small = {"widths": WIDTHS, "model_steps": 10, "batch_size": 64, "min_rounds": rounds, "max_rounds": rounds}
    return ErrorMinimizing.model_validate(small | more)


def cells() -> list[Cell]:
    def cell(name: str, method: ErrorMinimizing | None) -> Cell:
        return Cell(name, partial(_made, method), partial(digits, "test"), (VICTIM,))

    steps = {"1 step of epsilon": (1, 1.0), "2 of .6": (2, 0.6), "3 of .4": (3, 0.4), "20 of .1": (20, 0.1)}
    return [
        cell("clean", None),
        cell("joint", _method(procedure="joint")),
        cell("two-phase: all pictures, 10 rounds, 5 steps of .25 epsilon", _method()),
        *(cell(f"{name}", _method(perturb_steps=n, perturb_alpha=a)) for name, (n, a) in steps.items()),
        *(cell(f"fit of {n} pictures", _method(fit_samples=n)) for n in (168, 337, 674)),
        *(cell(f"fit of {n} rounds", _method(rounds=n)) for n in (3, 6, 15, 20)),
        cell("fit with 2 steps of .6", _method(steps=2, alpha=0.6)),
        cell("fit with 20 steps of .1", _method(steps=20, alpha=0.1)),
    ]


if __name__ == "__main__":
    lab.main("benchmarks.studies.digits", cells())
