"""Samples from the members of a WebDataset shard, and why some are none."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tasks.shard.labels import from_json, normalise, unknown
from tasks.shard.samples import Reject, Sample, is_picture
from tasks.shard.tar import Parts, group, members

# What may stand in no published name: control characters; halves of surrogate pairs, which are bytes that are no
# UTF-8; and what breaks a line or turns the direction of writing, so that a name is read as another.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\U000e0000-\U000e007f]"
)

_LONGEST_NAME = 4096  # characters of a member's name: what a system takes for a whole path

_Read = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Fields:
    """Where label and picture are in a sample's members, and how many classes there are (None: not known)."""

    label: str | None = None
    image: str | None = None
    classes: int | None = None


def parse(data: bytes, name: str, max_bytes: int, fields: Fields) -> Iterator[Sample | Reject]:
    """Every sample of a shard in its order: its place in the shard is its place here.

    Raises DataError for a shard that is no tar archive, too big, truncated or damaged.
    """
    yield from of_groups(group(members(data, name, max_bytes)), name, fields)


def of_groups(grouped: Iterable[tuple[str, Parts]], name: str, fields: Fields) -> Iterator[Sample | Reject]:
    """A sample, or why it is none, for each key and its members of a shard called `name`, in order."""
    seen: set[str] = set()
    for key, parts in grouped:
        reason = "duplicate key: it stands in this shard already" if key in seen else _unfit(key, parts)
        seen.add(key)
        source = f"{name}/{key}"
        if reason is not None:
            yield Reject(key, source, reason)
        else:
            yield _sample(key, tuple((extension, part or b"") for extension, part in parts), source, fields)


def _unfit(key: str, parts: Parts) -> str | None:
    """Why the names of a sample can't be taken over as they are, or None."""
    reason = _misnamed([f"{key}.{extension}" for extension, _ in parts])
    if reason is not None:
        return reason
    if any(data is None for _, data in parts):
        return "a member of it is no plain file but a link, a device or a sparse file"
    extensions = [extension.lower() for extension, _ in parts]
    if len(set(extensions)) < len(extensions):
        return "duplicate key: two members have the same name"
    if any(extension in ("", "__key__") for extension in extensions):
        return "no picture: a member of it has no extension"
    return None


def _misnamed(names: list[str]) -> str | None:
    """Why members' names may stand in no published shard, or None."""
    if any("/" in name or "\\" in name or ".." in name for name in names):
        return "its name has a path in it"
    if any(_CONTROL.search(name) for name in names):
        return "its name has control characters in it"
    if any(len(name) > _LONGEST_NAME for name in names):
        return f"its name has more than {_LONGEST_NAME} characters"
    return None


def _sample(key: str, parts: _Read, source: str, fields: Fields) -> Sample | Reject:
    image = _find_picture(parts, fields.image)
    if isinstance(image, str):
        return Reject(key, source, image)
    try:
        label = _find_label(parts, fields.label)
    except ValueError:
        return Reject(key, source, "no label: its json can't be read")
    if label is None:
        return Reject(key, source, f"no label: there is none in its {fields.label or 'cls or json'}")
    reason = unknown(label, fields.classes)
    return Sample(key, label, parts, image, source) if reason is None else Reject(key, source, reason)


def _find_picture(parts: _Read, field: str | None) -> int | str:
    """Index of the picture in `parts`, or why there is none."""
    if field is not None:
        named = [i for i, (extension, _) in enumerate(parts) if extension.lower() == field.lower()]
        return named[0] if named else f"no picture: it has no member {field}"
    found = [i for i, (extension, data) in enumerate(parts) if is_picture(extension, data)]
    if not found:
        return "no picture: none of its members is one"
    if len(found) > 1:
        # Were one of them chosen, the others would be published as they are.
        extensions = ", ".join(parts[i][0] for i in found)
        return f"more than one picture ({extensions}): say which one it is with --image-field"
    return found[0]


def _find_label(parts: _Read, field: str | None) -> str | None:
    """The label, or None. Raises ValueError when it should be in a json that can't be read."""
    by_extension = {extension.lower(): data for extension, data in parts}
    member = by_extension.get((field or "cls").lower())
    if member is not None:
        return normalise(member)
    record = by_extension.get("json")
    return None if record is None else normalise(from_json(record, field or "label"))
