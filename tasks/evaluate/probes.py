"""What a trained victim is asked besides the test pictures: to verify faces, and to obey a trigger."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from schemas.evaluate import EvaluateConfig
from tasks.evaluate import backdoor, pairs, recovery, sets, verification
from tasks.evaluate.data import Pictures
from tasks.evaluate.pairs import Faces
from tasks.evaluate.triggers import Triggers


@dataclass(frozen=True)
class Probes:
    """The probes of one run: pairs of faces if there are any, and the noise of copies by their captions."""

    faces: Faces | None = None
    triggers: tuple[tuple[str, Triggers], ...] = ()

    def digests(self) -> list[str]:
        """What each probe shows to the victim, and by which version, as texts; none without probes."""
        faces = [] if self.faces is None else [f"verification {verification.VERSION} {self.faces.digest()}"]
        shown = [f"backdoor {backdoor.VERSION} {caption} {each.digest()}" for caption, each in self.triggers]
        return faces + shown

    def examine(self, model: nn.Module, test: Pictures) -> dict[str, Any]:
        """What the probes find in a trained network: fields of VictimRun."""
        found: dict[str, Any] = {}
        if self.faces is not None:
            found["verification"] = verification.verify(model, self.faces)
        if self.triggers:
            found["backdoor"] = tuple(backdoor.examine(model, test, each, caption) for caption, each in self.triggers)
        return found


def of(config: EvaluateConfig, copy: str | None, size: int) -> Probes:
    """The probes that an evaluation asks for, for a victim of pictures of side `size`.

    It was trained on `copy`, whose noise is then the trigger; None: on the clean pictures, and each class-wise copy's
    noise is shown to it, as a control. Raises ConfigurationError when pairs or noise are not fit for it.
    """
    faces = None if config.pairs is None else pairs.faces(config.pairs, size)
    if not config.backdoor:
        return Probes(faces)
    copies = backdoor.copies_for(config, copy)
    return Probes(
        faces, tuple((sets.caption(each), recovery.recovered(each, config.clean).at(size)) for each in copies)
    )


def forget() -> None:
    """Let go of what the probes show: since the last evaluation of this process, others may lie in the same places."""
    pairs.forget()
    recovery.forget()
