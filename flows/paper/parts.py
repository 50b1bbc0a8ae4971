"""What the paper's experiments are put together from: its noise by dataset, its victims, its recipes."""

from typing import Any

from schemas.experiments import DatasetName
from schemas.noise import ErrorMaximizing, ErrorMinimizing, Form, NoiseBudget, NoiseMethod, RandomNoise
from schemas.recipe import Family, TinyRecipe
from schemas.victims import DenseNet121Victim, ResNet18Victim, ResNet50Victim, VGG11Victim, Victim

FORMS: tuple[Form, ...] = ("sample-wise", "class-wise")
VICTIMS = {"VGG-11": VGG11Victim, "RN-18": ResNet18Victim, "RN-50": ResNet50Victim, "DN-121": DenseNet121Victim}
_FAMILIES: dict[DatasetName, Family] = {
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "svhn": "svhn",
    "imagenet100": "imagenet",
}
# M, weight decay and batch of the source model where they are not CIFAR-10's (section 4, appendix A), and the pictures
# that a class-wise fit sees: all of the dataset's.
_SOURCES: dict[DatasetName, dict[str, Any]] = {
    "svhn": {"fit_samples": 80_000},
    "cifar100": {"model_steps": 20, "weight_decay": 5e-5},
    "imagenet100": {"model_steps": 100, "weight_decay": 5e-5, "batch_size": 32, "fit_samples": 130_000},
    "imagenet32": {"model_steps": 250, "weight_decay": 5e-5, "fit_samples": 1_300_000},
    "webface": {"model_steps": 30, "batch_size": 32, "fit_samples": 500_000},
}
LARGE = NoiseBudget(epsilon=16)


def victim(label: str, dataset: DatasetName, **recipe: Any) -> Victim:
    """One of the paper's victims with the recipe of a dataset's family, and what is stated besides."""
    return VICTIMS[label].model_validate({"recipe": {"family": _FAMILIES[dataset], **recipe}})


def resnet18(dataset: DatasetName = "cifar10", **recipe: Any) -> Victim:
    """The victim of most experiments."""
    return victim("RN-18", dataset, **recipe)


def error_minimizing(form: Form, dataset: DatasetName = "cifar10") -> ErrorMinimizing:
    """The paper's noise, by its own procedure, as made for a dataset."""
    fields = {"preset": "paper", "form": form, **_SOURCES.get(dataset, {})}
    return ErrorMinimizing.model_validate(fields)


def error_maximizing(form: Form) -> ErrorMaximizing:
    """The adversarial baseline: against a ResNet-18 that was trained as a victim is."""
    recipe = TinyRecipe(
        epochs=60, batch_size=128, lr=0.025, nesterov=False, schedule="cosine", crop_padding=4, flip=True
    )
    stop = 0.9 if form == "sample-wise" else 0.8
    return ErrorMaximizing(form=form, source_model="resnet18", fit_samples=50_000, training=recipe, stop_error=stop)


def baselines(form: Form) -> dict[str, NoiseMethod]:
    """The three noises that the paper compares, by the names it gives them."""
    return {
        "random": RandomNoise(form=form),
        "error-max": error_maximizing(form),
        "error-min": error_minimizing(form),
    }
