"""Samples as the sources give them, before anything is known of their pictures."""

from dataclasses import dataclass

PICTURE_EXTENSIONS = frozenset(["jpg", "jpeg", "jpe", "png", "webp", "bmp", "tif", "tiff", "gif", "ppm", "pgm"])


@dataclass(frozen=True)
class Sample:
    """One picture, its label, and whatever else came with it.

    `parts` are all members of the sample in their order, as (extension, bytes), picture included under
    `image`'s extension; `image` is the index of the picture in `parts`; `label` is the label as written.
    """

    key: str
    label: str
    parts: tuple[tuple[str, bytes], ...]
    image: int
    source: str

    @property
    def picture(self) -> bytes:
        """The encoded picture."""
        return self.parts[self.image][1]


@dataclass(frozen=True)
class Reject:
    """One input from which no sample can be made, and why."""

    key: str
    source: str
    reason: str


_MAGIC = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif"}


def is_picture(extension: str, data: bytes | None = None) -> bool:
    """True for a picture by its name (the last part of a member's extension) or by its first bytes."""
    named = extension.rpartition(".")[2].lower() in PICTURE_EXTENSIONS
    return named or (data is not None and sniff(data) is not None)


def sniff(data: bytes) -> str | None:
    """The picture extension that the first bytes tell, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((extension for magic, extension in _MAGIC.items() if data.startswith(magic)), None)
