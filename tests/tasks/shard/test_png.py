"""PNGs of a block of pictures: every reader gives exactly the pixels back, and equal pixels give equal bytes."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tasks.shard import png

SIDES = st.integers(1, 40)


def pixels(count, height, width, seed, bits=8):
    return np.random.default_rng(seed).integers(0, 1 << bits, (count, height, width, 3), dtype=np.uint8)


def chunks(data):
    """Name and content of each chunk; every length and every checksum is as it says."""
    place, found = 8, []
    while place < len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        content = data[place + 8 : place + 8 + length]
        assert struct.unpack_from(">I", data, place + 8 + length) == (zlib.crc32(name + content),)
        found.append((name, content))
        place += 12 + length
    assert place == len(data)
    return found


@given(SIDES, SIDES, st.integers(1, 5), st.sampled_from([0, 1, 4, 8]), st.integers(0, 999))
def test_all_readers_give_the_pixels_of_each_picture_of_a_block(height, width, count, bits, seed):
    rgb = pixels(count, height, width, seed, bits)
    for stored, one in zip(png.encode(rgb), rgb, strict=True):
        with Image.open(io.BytesIO(stored)) as image:
            assert (image.format, image.mode) == ("PNG", "RGB")
            np.testing.assert_array_equal(np.asarray(image), one)
        opencv = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(opencv[:, :, ::-1], one)


@given(SIDES, SIDES, st.integers(0, 999))
def test_a_picture_has_the_same_bytes_alone_in_a_block_and_out_of_another_layout(height, width, seed):
    rgb = pixels(3, height, width, seed)
    stored = png.encode(rgb)
    assert stored == [png.encode(one[None])[0] for one in rgb]
    assert stored == png.encode(np.asfortranarray(rgb))


def test_it_has_the_chunks_of_a_plain_picture_and_nothing_after_them(monkeypatch):
    rgb = pixels(1, 30, 50, 1)
    (whole,) = png.encode(rgb)
    (header, (name, packed), end) = chunks(whole)
    assert header == (b"IHDR", struct.pack(">IIBBBBB", 50, 30, 8, 2, 0, 0, 0))
    assert (name, end) == (b"IDAT", (b"IEND", b""))
    unpacker = zlib.decompressobj()
    assert len(unpacker.decompress(packed)) == 30 * (1 + 3 * 50)
    assert unpacker.eof
    assert not unpacker.unused_data

    monkeypatch.setattr(png, "_MOST", 1000)
    (cut,) = png.encode(rgb)
    assert [name for name, _ in chunks(cut)].count(b"IDAT") == 5
    assert b"".join(data for name, data in chunks(cut) if name == b"IDAT") == packed
    assert (cv2.imdecode(np.frombuffer(cut, np.uint8), cv2.IMREAD_COLOR_RGB) == rgb[0]).all()


@pytest.mark.parametrize("bits", [0, 3, 8])
def test_it_is_about_as_small_as_what_opencv_writes(bits):
    (rgb,) = pixels(1, 64, 64, 2, bits)
    assert len(png.encode(rgb[None])[0]) <= 1.05 * len(cv2.imencode(".png", rgb)[1]) + 400
