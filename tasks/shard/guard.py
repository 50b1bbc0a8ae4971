"""Pictures that another library opens by itself, held to the rules of pictures.py.

torchvision's datasets open their files by Pillow, in all of its formats and of any size. While `guarded` holds they
get what pictures.py would have opened. Everybody else, in this thread or in another, gets Pillow's own `open`.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from PIL import Image

from tasks.shard.pictures import opened

_most_pixels: ContextVar[int | None] = ContextVar("most_pixels", default=None)
_pillows_open = Image.open


@contextlib.contextmanager
def guarded(max_pixels: int | None) -> Iterator[None]:
    """Within it `Image.open` raises PictureError for what is no picture of our formats, or larger than `max_pixels`.

    None: Pillow's own `open` again.
    """
    before = _most_pixels.set(max_pixels)
    try:
        yield
    finally:
        _most_pixels.reset(before)


def _open(fp: Any, *arguments: Any, **options: Any) -> Any:
    """Pillow's `open`; where `guarded` holds, by our rules: only the header has been read then."""
    most = _most_pixels.get()
    if most is None:
        return _pillows_open(fp, *arguments, **options)
    data = fp.read() if hasattr(fp, "read") else Path(fp).read_bytes()
    with guarded(None):
        return opened(data, most)


Image.open = _open
