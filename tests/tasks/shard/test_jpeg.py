import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tasks.shard import pictures
from tasks.shard.jpeg import plain_size
from tasks.shard.pictures import PictureError, decode
from tests.tasks.shard.helpers import LIMIT, encoded, picture, pixels, real_data

WAYS = [{}, {"optimize": True}, {"subsampling": 0}, {"comment": b"a comment"}, {"restart": 2}]


def saved(options, mode="RGB", height=13, width=21):
    kept = {"restart_marker_blocks" if name == "restart" else name: value for name, value in options.items()}
    return encoded(Image.fromarray(pixels(3, height, width)).convert(mode), "JPEG", quality=80, **kept)


@pytest.mark.parametrize("options", WAYS, ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_size_of_an_ordinary_jpeg(options, mode):
    assert plain_size(saved(options, mode)) == (13, 21)


@pytest.mark.parametrize("orientation", [1, 6])
def test_what_may_turn_a_picture_is_left_to_pillow(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert plain_size(picture(0, exif=exif)) is None
    assert plain_size(picture(0, xmp=b"<x/>")) is None


def test_what_is_not_plainly_a_jpeg_of_8_bits_is_left_to_pillow():
    cmyk = encoded(Image.fromarray(pixels(3)).convert("CMYK"), "JPEG")
    profile = encoded(Image.fromarray(pixels(3)), "JPEG", icc_profile=b"a profile")
    progressive = saved({"progressive": True})
    for data in (b"", b"\xff\xd8\xff", cmyk, profile, progressive, picture(0, "PNG"), picture(0, "WEBP")):
        assert plain_size(data) is None


def test_every_cut_of_a_header_is_found():
    data = saved({})
    start_of_scan = data.index(b"\xff\xda")
    for end in range(start_of_scan + 4):
        assert plain_size(data[:end]) is None


def outcome(data):
    try:
        return decode(data, LIMIT).tolist()
    except PictureError as error:
        return str(error)


def without_the_short_way(data):
    short, pictures.jpeg.plain_size = pictures.jpeg.plain_size, lambda data: None
    try:
        return outcome(data)
    finally:
        pictures.jpeg.plain_size = short


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(WAYS), st.sampled_from(["RGB", "L"]), st.data())
def test_a_damaged_header_gives_what_pillow_alone_would_have_let_through(options, mode, data):
    whole = bytearray(saved(options, mode))
    start_of_scan = whole.index(b"\xff\xda")
    whole[data.draw(st.integers(0, start_of_scan + 13))] ^= data.draw(st.integers(1, 255))
    assert outcome(bytes(whole)) == without_the_short_way(bytes(whole))


def test_a_size_above_the_limit_is_refused_before_anything_is_decoded(monkeypatch):
    monkeypatch.setattr(pictures, "_by_opencv", lambda data: pytest.fail("decoded"))
    with pytest.raises(PictureError, match="21 x 13 pixels, more than the limit of 272"):
        decode(saved({}), 272)


@pytest.mark.parametrize("name", ["cifar10", "imagenette224"])
def test_real_pictures_are_ordinary(name):
    from tasks.shard.tar import group, members

    path = sorted(real_data(name).glob("*-test-*.tar.gz"))[0]
    for _, parts in group(members(path.read_bytes(), path.name, 1 << 30))[:100]:
        data = parts[0][1] or b""
        with Image.open(io.BytesIO(data)) as image:
            assert plain_size(data) == (image.height, image.width)
            np.testing.assert_array_equal(decode(data, LIMIT), np.array(image.convert("RGB")))
