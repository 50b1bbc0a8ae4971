"""What the victims that start from pretrained weights share."""

import hashlib
from typing import TYPE_CHECKING, cast

from infra.errors import ConfigurationError
from tasks.nn import pretrained
from tasks.nn.pretrained import Pretrained

if TYPE_CHECKING:
    from schemas.victims import FineTunedVictim, LinearProbeVictim, Victim

_MEND = "leave the victim out, put the file there, or name another file with --weights"


def load(victim: "LinearProbeVictim | FineTunedVictim", size: int) -> Pretrained:
    """The victim's backbone, for pictures of side `size`. Raises ConfigurationError.

    Pictures are not scaled here: `size` of the victim's recipe tells at which side it sees them.
    """
    found = pretrained.load(victim.backbone, victim.weights, _MEND)
    if not pretrained.takes(victim.backbone, size):
        problem = f"{victim.backbone} can't take pictures of {size} pixels"
        raise ConfigurationError(problem, f"set `size` of its recipe to {found.side}, or choose another backbone")
    return found


def smallest(victim: "LinearProbeVictim | FineTunedVictim") -> int:
    """The smallest side in pixels that the victim's backbone takes; ConfigurationError when it isn't at hand."""
    pretrained.find(victim.backbone, victim.weights, _MEND)
    return pretrained.smallest(victim.backbone)


def fingerprint(victim: "Victim") -> str:
    """SHA-256 of the weights that a victim starts from; empty for one that starts from none. ConfigurationError."""
    if victim.kind not in {"linear-probe", "fine-tuned"}:
        return ""
    starts = cast("LinearProbeVictim | FineTunedVictim", victim)
    with pretrained.find(starts.backbone, starts.weights, _MEND).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
