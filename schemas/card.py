"""What a destination's card says beyond its shards: the licence, and what the protection is worth."""

from typing import Literal

from pydantic import Field

from schemas.base import Schema


class CarriedFile(Schema):
    """A file of the source that lies beside the protected shards, byte for byte."""

    name: str = Field(pattern=r"^[A-Za-z]+(\.[A-Za-z]+)?$", description="Its name, in the source and here.")
    bytes: int = Field(ge=0, description="Its size.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Its SHA-256.")


class Licence(Schema):
    """What the source says of its licence."""

    stated: str | None = Field(default=None, max_length=100, description="The licence that the source's card names.")
    files: tuple[CarriedFile, ...] = Field(default=(), description="Its licence files, which lie beside the shards.")


class Worth(Schema):
    """What an evaluation found of a copy: its worst case."""

    report: str = Field(description="Name of the report.")
    created: str = Field(description="When it was written, in UTC, ISO 8601.")
    digest: str = Field(description="Digest of the stored bytes and labels that were evaluated.")
    judgement: Literal["holds", "partly", "undone", "unknown"] = Field(description="What became of the protection.")
    victim: str = Field(description="The network that learnt most.")
    countermeasure: str = Field(description="The countermeasure under which it did.")
    reached: float = Field(description="Its mean clean test accuracy over seeds, percent.")
    ceiling: float | None = Field(description="The clean ceiling beside it, percent; None: not run.")
    chance: float = Field(description="Accuracy of guessing, percent.")
    tried: int = Field(ge=1, description="How many victims under how many countermeasures, together, were trained.")
