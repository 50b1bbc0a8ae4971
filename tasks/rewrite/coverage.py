"""Which samples of a bucket are protected."""

from typing import TYPE_CHECKING

from infra.errors import ConfigurationError
from infra.keys import BucketKey

if TYPE_CHECKING:
    from schemas.coverage import Coverage


def check(coverage: "Coverage", class_names: tuple[str, ...]) -> None:
    """Raise ConfigurationError when the coverage names a class that the dataset does not have."""
    strangers = [name for name in coverage.classes or () if name not in class_names]
    if strangers:
        problem = f"--classes names {', '.join(strangers)}, which the dataset does not have"
        raise ConfigurationError(problem, f"its classes are {', '.join(class_names[:20])}")


def covered(coverage: "Coverage", identity: str, class_name: str, key: BucketKey) -> bool:
    """True when a sample is to be protected: its class is, and the keyed hash of its identity falls in the fraction."""
    if coverage.classes is not None and class_name not in coverage.classes:
        return False
    return coverage.fraction >= 1 or key.unit("coverage", identity) < coverage.fraction
