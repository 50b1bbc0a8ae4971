"""A PNG shows what it should, told by its packed rows: never a yes for other pixels, and a yes for what is written."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.shard import png
from tasks.shard.pictures import decode, encode_png

SIDES = st.integers(1, 40)


def pixels(height, width, seed):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def written(height, width, packed, color=2, depth=8, interlaced=0, extra=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@given(SIDES, SIDES, st.integers(1, 4), st.integers(0, 999))
def test_every_picture_of_a_block_is_told_to_show_itself_alone(height, width, count, seed):
    rgb = np.stack([pixels(height, width, seed + i) for i in range(count)])
    rows, stored = png.filtered(rgb), [encode_png(one) for one in rgb]
    for i, data in enumerate(stored):
        # A picture of one column has nothing to its left and is stored unfiltered: it takes a decoder to tell.
        assert [png.packs(data, one) for one in rows] == [width > 1 and bool((one == rgb[i]).all()) for one in rgb]


def test_large_pictures_are_stored_in_several_parts_and_told():
    rgb = pixels(300, 500, 1)
    stored = encode_png(rgb)
    assert stored.count(b"IDAT") > 1
    assert png.packs(stored, png.filtered(rgb[None])[0])


@given(SIDES, SIDES, st.integers(0, 999), st.data())
def test_one_value_that_differs_is_seen(height, width, seed, draw):
    rgb = pixels(height, width, seed)
    other = rgb.copy()
    other.reshape(-1)[draw.draw(st.integers(0, rgb.size - 1))] ^= np.uint8(draw.draw(st.integers(1, 255)))
    assert not png.packs(encode_png(other), png.filtered(rgb[None])[0])


@given(st.integers(0, 999), st.data())
def test_a_byte_that_rots_anywhere_is_seen(seed, draw):
    rgb = pixels(6, 5, seed)
    stored = bytearray(encode_png(rgb))
    stored[draw.draw(st.integers(0, len(stored) - 1))] ^= draw.draw(st.integers(1, 255))
    assert not png.packs(bytes(stored), png.filtered(rgb[None])[0])


@given(st.integers(0, 999), st.data())
def test_what_is_cut_short_or_goes_on_is_seen(seed, draw):
    rgb = pixels(6, 5, seed)
    rows, stored = png.filtered(rgb[None])[0], encode_png(rgb)
    assert not png.packs(stored[: draw.draw(st.integers(0, len(stored) - 1))], rows)
    assert not png.packs(stored + draw.draw(st.binary(min_size=1)), rows)


def test_the_rows_are_what_decoders_read_as_these_pixels():
    rgb = pixels(9, 7, 3)
    rows = png.filtered(rgb[None])[0]
    stored = written(9, 7, zlib.compress(rows.tobytes()))
    assert png.packs(stored, rows)
    assert (decode(stored, 63) == rgb).all()
    assert (cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_UNCHANGED)[:, :, ::-1] == rgb).all()


@pytest.mark.parametrize(
    "change",
    [
        {"color": 6},
        {"depth": 16},
        {"interlaced": 1},
        {"height": 8},
        {"width": 6},
        {"extra": chunk(b"gAMA", struct.pack(">I", 45455))},  # viewers may show other colours
        {"extra": chunk(b"tRNS", bytes(6))},
        {"packed": b"not packed"},
        {"packed": b""},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_same_rows_under_another_header_or_with_other_parts_are_not_told(change):
    rows = png.filtered(pixels(9, 7, 3)[None])[0]
    fields = {"height": 9, "width": 7, "packed": zlib.compress(rows.tobytes()), **change}
    assert not png.packs(written(**fields), rows)
