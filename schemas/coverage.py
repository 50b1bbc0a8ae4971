"""Which samples of a bucket are protected."""

from pydantic import Field

from schemas.base import Schema


class Coverage(Schema):
    """Which samples are protected. The choice is a keyed hash of the sample's key: stable, and without state."""

    fraction: float = Field(
        default=1.0, gt=0, le=1, description="Share of the samples, the same in expectation for each class."
    )
    classes: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Names of the classes to protect; None: all."
    )
