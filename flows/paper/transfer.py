"""Section 4.3: noise that travels from one dataset to another. Figure 3 and Table 4."""

from collections.abc import Iterator

from flows.paper.parts import LARGE, error_minimizing, resnet18, victim
from schemas.experiments import Experiment, Noise, PaperResult

_SHIP = ("ship",)
_FOUR = ("airplane", "automobile", "ship", "truck")
# Table 4: which class of ImageNet makes the noise for which class of CIFAR-10.
TABLE4 = {
    "airplane": "airliner",
    "automobile": "wagon",
    "bird": "humming bird",
    "cat": "Siamese cat",
    "deer": "ox",
    "dog": "golden retriever",
    "frog": "tailed frog",
    "horse": "zebra",
    "ship": "container ship",
    "truck": "trailer truck",
}


def _fig3a() -> Iterator[Experiment]:
    for row, noise in (("clean ship", None), ("unlearnable ship", Noise(method=error_minimizing("sample-wise")))):
        for others in (False, True):
            yield Experiment(
                dataset="cifar10",
                row=row,
                column="CIFAR-100's classes" if others else "ship",
                noise=noise,
                victim=resnet18("cifar100"),
                beside="cifar100",
                beside_classes=_SHIP,
                classes=_SHIP,
                others=others,
            )


FIG3A = PaperResult(
    name="fig3a",
    title="Sample-wise unlearnable ships of CIFAR-10, put into CIFAR-100",
    finding="Noise made within one dataset still protects its pictures when they are trained on within another: ships "
    "are not recognised, the other classes are learnt as before.",
    drawing="confusion",
    experiments=tuple(_fig3a()),
)

_PUBLIC = Noise(method=error_minimizing("class-wise", "imagenet32"), budget=LARGE, public="imagenet32", mapping=TABLE4)

FIG3B = PaperResult(
    name="fig3b",
    title="Class-wise noise made on 32-pixel ImageNet by the class map of Table 4, put on CIFAR-10",
    finding="Noise made on other pictures of like classes protects: every victim ends near 10 %.",
    drawing="curves",
    experiments=tuple(
        Experiment(
            dataset="cifar10",
            row="unlearnable" if noise else "clean",
            column=label,
            noise=noise,
            victim=victim(label, "cifar10"),
            paper=10.0 if noise else None,
        )
        for label in ("RN-18", "RN-50", "DN-121")
        for noise in (None, _PUBLIC)
    ),
)


def _fig3c() -> Iterator[Experiment]:
    noise = _PUBLIC.model_copy(update={"classes": _FOUR})
    for row, used in (("clean", None), ("four classes unlearnable", noise)):
        for others in (False, True):
            yield Experiment(
                dataset="cifar10",
                row=row,
                column="the other six" if others else "airplane, car, ship, truck",
                noise=used,
                victim=resnet18(),
                classes=_FOUR,
                others=others,
            )


FIG3C = PaperResult(
    name="fig3c",
    title="The same noise on airplane, car, ship and truck alone",
    finding="The four are no longer recognised; the other six are unharmed.",
    drawing="confusion",
    experiments=tuple(_fig3c()),
)
