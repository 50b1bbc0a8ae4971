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
