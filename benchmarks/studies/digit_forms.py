"""Every form of the paper on the embedded digits: `python -m benchmarks.studies.digit_forms`.

What benchmarks/studies/forms.py shows on real pictures in hours, here in half an hour on two cores and without data. It
has lines that forms.py lacks (`fast` class-wise, the L-BFGS form by two presets, more class-wise coverage, L2 budgets)
and none for other keys. Source models and victims are the small net with widths 16-32-64-64, ten epochs.
"""

from functools import partial

from benchmarks.studies import lab
from benchmarks.studies.digits import VICTIM, WIDTHS, digits
from benchmarks.studies.lab import Cell, Made
from benchmarks.studies.making import Protection, clean_part, protect
from schemas.coverage import Coverage
from schemas.noise import (
    Application,
    ErrorMaximizing,
    ErrorMinimizing,
    ErrorMinimizingLBFGS,
    NoiseBudget,
    NoiseMethod,
    Placement,
    RandomNoise,
)
from schemas.recipe import TinyRecipe

# 1,347 pictures: a round of ten steps of 64 sees half of them.
_SMALL = {"widths": WIDTHS, "model_steps": 10, "batch_size": 64}
_PAPER = {"preset": "paper", "widths": WIDTHS, "source_model": "tiny"}
SAMPLE = ErrorMinimizing.model_validate(_SMALL)
CLASS = ErrorMinimizing.model_validate({**_SMALL, "form": "class-wise"})


def _protected(wanted: Protection) -> Made:
    return protect(wanted, digits("train"))


def _clean_part(fraction: float) -> Made:
    return clean_part(digits("train"), fraction)


def _cell(name: str, method: NoiseMethod, **more: object) -> Cell:
    return Cell(name, partial(_protected, Protection(method, **more)), partial(digits, "test"), (VICTIM,))


def _clean() -> Made:
    return Made(digits("train"))


def cells() -> list[Cell]:
    as_published = Application(arithmetic="as-published")
    small, paper, forms = _SMALL, _PAPER, ("sample-wise", "class-wise")
    trained = {"widths": WIDTHS, "training": TinyRecipe(epochs=10)}
    of_paper = {form: ErrorMinimizing.model_validate({**paper, "form": form}) for form in forms}
    fast = {form: ErrorMinimizing.model_validate({**small, "preset": "fast", "form": form}) for form in forms}
    appendix = {form: ErrorMinimizingLBFGS.model_validate({**paper, "form": form, "max_rounds": 4}) for form in forms}
    penalised = {form: ErrorMinimizingLBFGS.model_validate({**small, "form": form}) for form in forms}
    adverse = {form: ErrorMaximizing.model_validate({**trained, "form": form}) for form in forms}
    test = partial(digits, "test")
    return [
        Cell("clean", _clean, test, (VICTIM,)),
        *(_cell(f"random, {form}", RandomNoise(form=form)) for form in forms),
        *(_cell(f"error-maximizing, {form}", adverse[form]) for form in forms),
        _cell("error-minimizing, sample-wise, two-phase, standard", SAMPLE),
        _cell("error-minimizing, class-wise, standard", CLASS),
        *(_cell(f"error-minimizing, {form}, fast", fast[form]) for form in forms),
        *(_cell(f"error-minimizing, {form}, paper", of_paper[form]) for form in forms),
        *(_cell(f"L-BFGS form, {form}, standard", penalised[form]) for form in forms),
        *(_cell(f"L-BFGS form, {form}, paper", appendix[form]) for form in forms),
        *(
            _cell(f"patch {side}, class-wise", CLASS, application=Application(placement=Placement(patch=side)))
            for side in (8, 16, 24)
        ),
        _cell("two class-wise sets", CLASS, application=Application(mixture="two-sets")),
        _cell("class-wise + uniform", CLASS, application=Application(mixture="with-uniform")),
        *(
            _cell(f"{share} % protected, {form}", method, coverage=Coverage(fraction=share / 100))
            for form, method in (("sample-wise", SAMPLE), ("class-wise", CLASS))
            for share in (20, 40, 60, 80)
        ),
        *(
            Cell(f"clean {100 - share} % alone", partial(_clean_part, share / 100), test, (VICTIM,))
            for share in (20, 40, 60, 80)
        ),
        *(
            _cell(f"digit 3 protected, {form}", method, coverage=Coverage(classes=("3",)))
            for form, method in (("sample-wise", SAMPLE), ("class-wise", CLASS))
        ),
        _cell("as published, sample-wise", SAMPLE, application=as_published),
        _cell("as published, class-wise", CLASS, application=as_published),
        _cell("L2 budget of 443, sample-wise", SAMPLE, budget=NoiseBudget(norm="l2", epsilon=443)),
        _cell("L2 budget of 443, class-wise", CLASS, budget=NoiseBudget(norm="l2", epsilon=443)),
    ]


if __name__ == "__main__":
    lab.main("benchmarks.studies.digit_forms", cells())
