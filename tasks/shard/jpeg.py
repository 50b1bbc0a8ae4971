"""The header of an ordinary JPEG, read in a few microseconds.

Pillow takes longer to read it than OpenCV to decode a picture of 32 pixels, and holds the interpreter's lock meanwhile.
"""

import struct

_JFIF = b"\xff\xd8\xff\xe0\x00\x10JFIF\0"
_JFIF_END = 20
_QUANTIZATION, _HUFFMAN, _RESTART, _COMMENT, _SCAN = 0xFFDB, 0xFFC4, 0xFFDD, 0xFFFE, 0xFFDA
_BASELINE = 0xFFC0  # a progressive one may go over its pixels thousands of times: that takes a closer look (scans.py)
_SEGMENT = struct.Struct(">HH")
_FRAME = struct.Struct(">BHHB")


def plain_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) of a JPEG in whose header nothing is out of the ordinary, else None.

    Ordinary: JFIF, baseline, of 8 bits, gray or of three channels, all of them in its first and so only scan, with
    tables of the usual form; no Exif, XMP, Adobe or other part that may turn it, recolour it or hold more pictures.
    None says nothing: it may be a picture all the same.
    """
    if not data.startswith(_JFIF):
        return None
    size, channels, place = None, 0, _JFIF_END
    try:
        while True:
            marker, length = _SEGMENT.unpack_from(data, place)
            if marker == _SCAN:
                return size if data[place + 4 : place + 5] == bytes((channels,)) else None
            if marker == _BASELINE:
                bits, height, width, channels = _FRAME.unpack_from(data, place + 4)
                if size is not None or bits != 8 or channels not in (1, 3) or length != 8 + 3 * channels:
                    return None
                size = (height, width)
            elif not _is_ordinary(marker, length, data[place + 4 : place + 70 : 65]):
                return None
            place += 2 + length
    except struct.error:  # cut short
        return None


def _is_ordinary(marker: int, length: int, tables: bytes) -> bool:
    """`tables` holds the first byte of each of at most two quantization tables of 8 bits."""
    if marker == _QUANTIZATION:
        return length in (67, 132) and len(tables) == 2 and tables[0] < 4 and (length == 67 or tables[1] < 4)
    return length >= 2 and marker in (_HUFFMAN, _RESTART, _COMMENT)
