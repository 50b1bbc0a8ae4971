"""Labels as they are written, in one spelling."""

import json
import re
from typing import Any

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
LONGEST = 200  # characters of a label or of the name of a class


def is_integer(label: str) -> bool:
    """True for a label that is written as an integer."""
    return _INTEGER.fullmatch(label) is not None


def normalise(value: Any) -> str | None:
    """One spelling of a label: integers without zeros in front, texts stripped; None when it is none.

    `value` is bytes (UTF-8), text, or what JSON or Arrow give. A text with control characters is no label.
    """
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        value = str(int(value))
    if not isinstance(value, str):
        return None
    text = value.strip()
    if not text or len(text) > LONGEST or not text.isprintable():
        return None
    return str(int(text)) if is_integer(text) else text


def ordered(found: set[str]) -> tuple[str, ...]:
    """Labels in class order: by number when all are integers, else as texts."""
    if all(is_integer(label) for label in found):
        return tuple(sorted(found, key=int))
    return tuple(sorted(found))


def unknown(label: str, classes: int | None) -> str | None:
    """The reason why `label` can't be the index of one of so many classes, or None."""
    if classes is None or (is_integer(label) and 0 <= int(label) < classes):
        return None
    return f'its label "{label}" is not among the {classes} known classes (0 to {classes - 1})'


def from_json(data: bytes, field: str) -> Any:
    """What stands in a sample's json at `field` (dots lead into objects), or None. Raises ValueError."""
    try:
        value = json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
