"""Encoded pictures to pixels and back.

The rule by which any picture becomes uint8 RGB, and by which it is protected and compared:

- a JPEG or PNG of 8-bit RGB or gray that needs no turning goes through OpenCV: the same pixels as Pillow's,
  in less than half of the time; an ordinary JPEG (jpeg.py) even without Pillow's look at its header;
- everything else goes through Pillow: the EXIF orientation is applied; 16-bit values keep their high byte;
  alpha is dropped without blending; palette, CMYK, YCbCr and 1-bit are converted to RGB;
- of an animated picture the first frame counts.
"""

import io
import struct
from typing import Any

import cv2
import numpy as np
from PIL import ExifTags, Image

from tasks.shard import jpeg, png
from tasks.shard.scans import has_more_scans

# A picture of any other format is refused: some of Pillow's readers start other programs (EPS) or are seldom used.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")

# The caller's limit is checked before any pixel is decoded, so Pillow's own limit would only add warnings.
Image.MAX_IMAGE_PIXELS = None

_TURN_CHUNKS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")
_TURN_FIELDS = ("exif", "xmp")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ERRORS = (ArithmeticError, EOFError, LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error)
# Encoders write about ten, of a baseline JPEG one a channel at most. Each scan costs a walk over all pixels, however
# few bytes it has.
_MOST_SCANS = 100
_OF_SCANS = ("JPEG", "MPO")  # MPO is what Pillow calls a JPEG with more pictures behind it
_PNG_DEPTH = 24  # offset of the bit depth in a PNG, whose header is always its first chunk
# Bytes that a pixel takes at most, packed or not, and that headers and texts may take.
_PNG_PIXEL, _PNG_OTHERS = 8, 1 << 16


class PictureError(ValueError):
    """Bytes that are no picture fit to use; the text is the reason, in a sentence."""


def decode(data: bytes, max_pixels: int) -> np.ndarray:
    """Pixels of an encoded picture by the rule above, uint8 [H, W, 3] RGB.

    A truncated picture may come out partly gray: `check` is the strict way. Raises PictureError.
    """
    size = jpeg.plain_size(data)
    if size is not None:
        _require_size(*size, max_pixels)
        rgb = _by_opencv(data)
        if rgb is not None and rgb.shape[:2] == size:
            return rgb
    image = opened(data, max_pixels)
    if _is_plain(image, data):
        rgb = _by_opencv(data)
        if rgb is not None and rgb.shape[:2] == (image.height, image.width):
            return rgb
    return _by_pillow(image)


def check(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Decode the whole picture in the strict way; its (height, width) once turned.

    Raises PictureError for anything that `decode` could not give back in full.
    """
    height, width, _ = decode_strictly(data, max_pixels).shape
    return height, width


def decode_strictly(data: bytes, max_pixels: int) -> np.ndarray:
    """What `decode` gives, of a picture that is whole. Raises PictureError for any other."""
    return _by_pillow(opened(data, max_pixels))


def describe(data: bytes, max_pixels: int) -> tuple[int, int, str]:
    """What `check` gives, and format and mode of the picture as stored, such as `PNG RGB`. Raises PictureError."""
    image = opened(data, max_pixels)
    kind = f"{image.format} {image.mode}"
    height, width, _ = _by_pillow(image).shape
    return height, width, kind


def encode_png(rgb: np.ndarray) -> bytes:
    """Lossless PNG of uint8 [H, W, 3] RGB; equal pixels give equal bytes. Raises PictureError."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
        raise PictureError(f"pixels to encode must be uint8 [H, W, 3], not {rgb.dtype} {list(rgb.shape)}")
    return png.encode(rgb[None])[0]


def shows_bgr(data: bytes, bgr: np.ndarray) -> bool:
    """True when a picture is of three channels of 8 bits and OpenCV reads exactly these pixels, uint8 [H, W, 3] BGR."""
    try:
        stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return False
    if stored is None or stored.dtype != bgr.dtype or stored.shape != bgr.shape:
        return False
    return stored.tobytes() == bgr.tobytes()


def to_rgb(image: Image.Image) -> np.ndarray:
    """Pixels of a Pillow image, uint8 [H, W, 3] RGB, by the rule above (not turned). Raises ValueError."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        gray = np.clip(np.asarray(image) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def opened(data: bytes, max_pixels: int) -> Any:
    """The picture with only its header read. Raises PictureError."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise nearly anything on hostile bytes
        raise PictureError("it is not a picture that can be read") from error
    _require_size(image.height, image.width, max_pixels)
    if image.format in _OF_SCANS and has_more_scans(data, _MOST_SCANS):
        raise PictureError(f"it is a JPEG of more than {_MOST_SCANS} scans")
    return image


def _require_size(height: int, width: int, max_pixels: int) -> None:
    if height * width < 1:
        raise PictureError("it is a picture without pixels")
    if height * width > max_pixels:
        raise PictureError(f"it declares {width} x {height} pixels, more than the limit of {max_pixels}")


def _is_plain(image: Any, data: bytes) -> bool:
    """True when OpenCV gives the same pixels as Pillow."""
    if image.mode not in ("RGB", "L") or "transparency" in image.info:
        return False
    if image.format == "PNG":
        # Pillow would have to decode a PNG to tell its orientation, so any hint of one goes the slow way.
        may_turn = any(chunk in data for chunk in _TURN_CHUNKS)
        if len(data) > _PNG_PIXEL * image.width * image.height + _PNG_OTHERS:
            return False  # Pillow stops when it has the pixels; libpng unpacks all that there is
        return data[_PNG_DEPTH] == 8 and not may_turn and not getattr(image, "is_animated", False)
    may_turn = any(field in image.info for field in _TURN_FIELDS)
    return image.format == "JPEG" and not (may_turn and _orientation(image) in _TURNS)


def _orientation(image: Any) -> int:
    """EXIF (or XMP) orientation, 1..8; 1 when it is missing or can't be read: damaged EXIF spoils no pixels."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _EXIF_ERRORS:
        return 1


def _by_opencv(data: bytes) -> np.ndarray | None:
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None


def _by_pillow(image: Any) -> np.ndarray:
    """Strict: uint8 [H, W, 3]. Raises PictureError for a truncated or damaged picture."""
    try:
        image.load()
        turn = _TURNS.get(_orientation(image))
        rgb = to_rgb(image if turn is None else image.transpose(turn))
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # as in opened
        reason = str(error).strip() or type(error).__name__
        raise PictureError(f"it is damaged or cut short ({reason})") from error
    if rgb.ndim != 3 or 0 in rgb.shape:
        raise PictureError("it is a picture without pixels")
    return rgb


def is_sound(data: bytes, max_pixels: int) -> bool:
    """True when `check` finds nothing wrong with an encoded picture."""
    try:
        check(data, max_pixels)
    except PictureError:
        return False
    return True
