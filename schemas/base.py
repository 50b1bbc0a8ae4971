"""What every schema shares: frozen, strict, and a digest that depends on the content alone."""

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Schema(BaseModel):
    """A noun that crosses a stage's border: immutable, and no field that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", hide_input_in_errors=True)


class Stored(Schema):
    """A schema that is written to storage and read again by later versions of the product."""

    schema_version: Literal[1] = Field(default=1, description="Version of this record's layout.")


def canonical(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, so that equal content is equal text."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(*parts: Any) -> str:
    """SHA-256 (64 hex digits) over the canonical JSON of `parts` (plain values or models), in their order."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(canonical(part).encode())
        hasher.update(b"\n")
    return hasher.hexdigest()
