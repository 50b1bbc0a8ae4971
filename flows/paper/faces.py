"""Section 4.4: the face case. Figures 4 and 7."""

from collections.abc import Iterator

from flows.paper.parts import LARGE, error_minimizing
from schemas.experiments import Experiment, Noise, PaperResult
from schemas.victims import InceptionResNetVictim

_PROTECTED = 50
_VICTIM = InceptionResNetVictim()
_SOME = Noise(
    method=error_minimizing("class-wise", "webface"),
    budget=LARGE,
    classes=_PROTECTED,
    public="celeba100",
    context=True,
)
_ALL = Noise(method=error_minimizing("class-wise", "webface"), budget=LARGE)


def _fig4() -> Iterator[Experiment]:
    numbers: dict[tuple[bool, bool], float] = {(True, False): 16.0, (True, True): 86.0}
    for protected, row in ((False, "clean"), (True, "partly protected")):
        for others in (False, True):
            yield Experiment(
                dataset="webface",
                row=row,
                column="other identities" if others else "protected identities",
                noise=_SOME if protected else None,
                victim=_VICTIM,
                classes=_PROTECTED,
                others=others,
                paper=numbers.get((protected, others)),
            )


FIG4 = PaperResult(
    name="fig4",
    title="Identification of protected and of other identities, noise made together with public faces",
    finding="With 50 of 10,575 identities protected a recogniser reaches 16 % on theirs and 86 % on the others.",
    experiments=tuple(_fig4()),
)


def _fig7() -> Iterator[Experiment]:
    copies: tuple[tuple[str, Noise | None, float | None], ...] = (
        ("clean", None, 0.9975),
        ("partly protected", _SOME, None),
        ("fully protected", _ALL, 0.5321),
    )
    for row, noise, paper in copies:
        yield Experiment(
            dataset="webface", row=row, column="AUC", noise=noise, victim=_VICTIM, measured="auc", paper=paper
        )
        yield Experiment(
            dataset="webface", row=row, column="TAR at FAR .01", noise=noise, victim=_VICTIM, measured="tar"
        )


FIG7 = PaperResult(
    name="fig7",
    title="Verification of pairs of faces by the victim's embeddings",
    finding="Fully protected, verification is next to guessing (AUC .5321 beside .9975). Partly protected it gets "
    "worse, but stays good.",
    drawing="roc",
    experiments=tuple(_fig7()),
)
