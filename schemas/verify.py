"""What an audit says."""

from pydantic import Field

from schemas.base import Schema


class VerifyReport(Schema):
    """What an audit of a destination found: the object that `verify --json` prints."""

    ok: bool
    samples: int
    max_abs_change: int = Field(description="Largest change of a stored value, in steps of 1/255.")
    max_l2: float = Field(description="Largest L2 norm of a picture's change, in steps of 1/255.")
    problems: tuple[str, ...]
