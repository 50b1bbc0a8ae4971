"""What sets a protected copy apart from its method's standard, in a few words that anyone may read."""

from infra.errors import one_line
from schemas.noise import Placement
from schemas.protect import ProtectConfig

_MOST_NAMES = 2
_MIXTURES = {"none": "", "two-sets": "two sets", "with-uniform": "with uniform"}


def variant(config: ProtectConfig) -> str:
    """Such as 'l2, patch 16, as published': parts in a fixed order, joined by ', '; empty when all is standard.

    It tells how the noise was made and never what it is: no key, no digest, and no name of a public class.
    """
    application = config.application
    parts = [
        "" if config.budget.norm == "linf" else config.budget.norm,
        *_of_method(config),
        *_of_placement(application.placement),
        _MIXTURES[application.mixture],
        "as published" if application.arithmetic == "as-published" else "",
        _of_classes(config.coverage.classes),
        _of_public(config),
    ]
    return ", ".join(filter(None, parts))


def _of_method(config: ProtectConfig) -> list[str]:
    preset = getattr(config.method, "preset", "standard")
    # The paper's own procedure for sample-wise noise is joint: the preset's name says it.
    joint = config.joint and preset != "paper"
    return ["" if preset == "standard" else preset, "joint" if joint else ""]


def _of_placement(placement: Placement) -> list[str]:
    if placement.patch is None:
        return []
    return [f"patch {placement.patch}", "centred" if placement.place == "centre" else ""]


def _of_classes(classes: tuple[str, ...] | None) -> str:
    if classes is None:
        return ""
    if len(classes) > _MOST_NAMES:
        return f"{len(classes)} classes"
    return one_line(f"{'class' if len(classes) == 1 else 'classes'} {'/'.join(classes)}")


def _of_public(config: ProtectConfig) -> str:
    if config.public is None:
        return ""
    return "in context" if config.in_context else "public noise"
