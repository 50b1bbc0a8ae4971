"""The whole pipeline on the embedded digits: protect in both forms, baselines too, evaluate, report."""

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect import flow

from flows.evaluate import evaluate
from flows.protect import protect
from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig, Evaluation
from schemas.noise import ErrorMinimizing, NoiseMethod, RandomNoise
from schemas.protect import DeviceName, ProtectConfig
from schemas.recipe import TinyRecipe
from schemas.victims import TinyVictim

_DIGITS = SourceSpec(url="digits")
_TEST = SourceSpec(url="digits", split="test")
_WIDTHS = (16, 32, 64, 64)
# The small recipe for 1,347 digits: a round of ten steps sees half of them.
_FITTED = ErrorMinimizing(model_steps=10, min_rounds=8, max_rounds=14, batch_size=64, widths=_WIDTHS)
_METHODS: tuple[NoiseMethod, ...] = (
    RandomNoise(form="class-wise"),
    RandomNoise(form="sample-wise"),
    _FITTED.model_copy(update={"form": "class-wise"}),
    _FITTED,
)
_VICTIM = TinyVictim(widths=_WIDTHS, recipe=TinyRecipe(epochs=8))


@flow(name="demo", flow_run_name="demo in {place}")
def demo(place: str, seeds: int = 3, workers: int = 2, device: DeviceName = "auto") -> Evaluation:
    """Protect the digits in PLACE by every method and form, train victims on each copy, and report."""
    folder = Folder(place)
    copies: list[str] = []
    for method in _METHODS:
        name = f"{method.kind}-{method.form}"
        config = ProtectConfig(
            source=_DIGITS,
            destination=folder.object_url(f"protected/{name}"),
            workspace=folder.object_url(f"private/{name}"),
            method=method,
            workers=workers,
            device=device,
        )
        protect(config)
        copies.append(config.destination)
    return evaluate(
        EvaluateConfig(
            protected=tuple(copies),
            clean=_DIGITS,
            test=_TEST,
            workspace=folder.object_url("private/evaluation"),
            victims=(_VICTIM,),
            seeds=seeds,
            device=device,
        )
    )
