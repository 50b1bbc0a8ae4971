"""Presets of the error-minimizing methods: values for the fields that a user leaves out.

`standard` is what the schemas say; `fast` takes fewer gradient passes; `paper` is Huang et al. 2021 as far as the paper
and its released configurations for CIFAR-10 state it. docs/results says what each is worth. With the L-BFGS form `fast`
saves in the fit alone: a picture takes as many steps as with `standard`, for Adam's small steps can't be fewer.
"""

from typing import Any, Literal

Preset = Literal["standard", "fast", "paper"]

_PAPER: dict[str, Any] = {
    "procedure": "joint",
    "source_model": "resnet18",
    "fit_samples": 50_000,
    "steps": 20,
    "alpha": 0.1,
    "perturb_steps": 20,
    "perturb_alpha": 0.1,
    "model_steps": 10,
    "stop_error": 0.01,
    "min_rounds": 1,
    "batch_size": 512,
}
_PAPER_CLASS_WISE = {"procedure": "two-phase", "steps": 1, "stop_error": 0.1}
_PAPER_LBFGS = {"steps": 200, "perturb_steps": 200, "model_steps": 100}
_FAST: dict[str, Any] = {"fit_samples": 2500, "perturb_steps": 3, "perturb_alpha": 0.4}
_OF_PGD = ("alpha", "perturb_alpha", "perturb_steps")


def fields_of(preset: str, kind: str, form: str) -> dict[str, Any]:
    """What `preset` states for a method and form; {} for `standard`, and for a name that validation will refuse."""
    if preset == "fast":
        fields = dict(_FAST)
    elif preset == "paper":
        fields = _PAPER | (_PAPER_CLASS_WISE if form == "class-wise" else {})
    else:
        return {}
    if kind == "error-minimizing-lbfgs":
        fields = {name: value for name, value in fields.items() if name not in _OF_PGD}
        fields |= _PAPER_LBFGS if preset == "paper" else {}
    return fields
