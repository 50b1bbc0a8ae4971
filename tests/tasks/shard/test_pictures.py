import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tasks.shard.pictures import PictureError, check, decode, encode_png, to_rgb
from tests.tasks.shard.helpers import LIMIT, encoded, picture, pixels, real_data


def pillow(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, color: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P"])
def test_common_modes_are_pillows_rgb(kind, mode):
    if (kind, mode) in [("JPEG", "1"), ("JPEG", "P"), ("WEBP", "1"), ("PPM", "P")]:
        pytest.skip("the format has no such mode")
    data = encoded(Image.fromarray(pixels(1, 9, 13)).convert(mode), kind)
    rgb = decode(data, LIMIT)
    assert rgb.dtype == np.uint8
    assert rgb.shape == (9, 13, 3)
    np.testing.assert_array_equal(rgb, pillow(data))
    assert check(data, LIMIT) == (9, 13)


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 0}, {"quality": 30}, {"optimize": True}])
def test_jpeg_variants_decode_as_pillow_does(options):
    data = picture(3, "JPEG", 37, 53, **options)
    np.testing.assert_array_equal(decode(data, LIMIT), pillow(data))


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("YCbCr", "TIFF"), ("LA", "PNG")])
def test_other_modes_are_converted(mode, kind):
    data = encoded(Image.fromarray(pixels(2)).convert(mode), kind)
    np.testing.assert_array_equal(decode(data, LIMIT), pillow(data))


def test_alpha_is_dropped_without_blending():
    rgba = np.dstack([pixels(4), np.zeros((8, 8), np.uint8)])
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(rgba)), LIMIT), pixels(4))


def test_palette_with_transparency_keeps_its_colours():
    image = Image.fromarray(pixels(5)).quantize(16)
    data = encoded(image, "PNG", transparency=3)
    np.testing.assert_array_equal(decode(data, LIMIT), np.array(image.convert("RGB")))


@pytest.mark.parametrize("transparent", [(0, 0, 0), 0])
def test_transparent_colour_of_a_png_keeps_its_colour(transparent):
    mode = "L" if transparent == 0 else "RGB"
    image = Image.fromarray(pixels(6)).convert(mode)
    image.putpixel((0, 0), transparent)
    data = encoded(image, "PNG", transparency=transparent)
    np.testing.assert_array_equal(decode(data, LIMIT), np.array(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_gray_keeps_the_high_byte(kind):
    values = np.random.default_rng(0).integers(0, 65536, (6, 5)).astype(np.uint16)
    data = encoded(Image.fromarray(values), kind)
    rgb = decode(data, LIMIT)
    np.testing.assert_array_equal(rgb, np.repeat((values >> 8).astype(np.uint8)[:, :, None], 3, 2))
    assert check(data, LIMIT) == (6, 5)


@pytest.mark.parametrize(("color", "channels"), [(2, 3), (6, 4), (4, 2), (0, 1)])
def test_16_bit_png_keeps_the_high_byte(color, channels):
    values = np.random.default_rng(1).integers(0, 65536, (4, 5, channels)).astype(">u2")
    data = png(5, 4, 16, color, b"".join(b"\0" + row.tobytes() for row in values))
    high = (values >> 8).astype(np.uint8)
    expected = high[:, :, :3] if channels >= 3 else np.repeat(high[:, :, :1], 3, 2)
    np.testing.assert_array_equal(decode(data, LIMIT), expected)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_gray_png_of_few_bits_is_spread_over_the_range(depth):
    data = png(8, 1, depth, 0, b"\0" + bytes([0b11100100] * depth))
    rgb = decode(data, LIMIT)
    np.testing.assert_array_equal(rgb, pillow(data))
    assert {int(rgb.min()), int(rgb.max())} == {0, 255} or depth == 4


def test_32_bit_integers_are_clipped():
    image = Image.fromarray(np.array([[-5, 0, 300, 70000]], np.int32))
    assert to_rgb(image)[0, :, 0].tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(pixels(7, 16, 24)), kind, exif=exif)
    expected = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    np.testing.assert_array_equal(decode(data, LIMIT), expected)
    assert check(data, LIMIT) == expected.shape[:2]
    assert expected.shape[:2] == ((16, 24) if orientation < 5 else (24, 16))


def test_damaged_exif_spoils_no_picture():
    data = encoded(Image.fromarray(pixels(8)), "JPEG", exif=b"Exif\0\0garbage that is no TIFF")
    np.testing.assert_array_equal(decode(data, LIMIT), pillow(data))
    assert check(data, LIMIT) == (8, 8)


def test_first_frame_of_an_animation():
    frames = [Image.fromarray(pixels(seed)) for seed in (10, 11, 12)]
    for kind in ("PNG", "TIFF"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        np.testing.assert_array_equal(decode(data, LIMIT), pixels(10))
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_array_equal(decode(data, LIMIT), pixels(10))


def test_a_bomb_is_refused_by_its_header_alone():
    bomb = png(50_000, 50_000, 8, 2, b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for action in (decode, check):
            with pytest.raises(PictureError, match="50000 x 50000 pixels, more than the limit of"):
                action(bomb, 89_478_485)


def test_the_limit_counts_pixels():
    assert check(picture(0, height=4, width=5), 20) == (4, 5)
    with pytest.raises(PictureError, match="limit of 19"):
        check(picture(0, height=4, width=5), 19)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_picture_is_bad(kind, share):
    data = picture(9, kind, 64, 64)
    with pytest.raises(PictureError, match=r"damaged or cut short|not a picture"):
        check(data[: int(len(data) * share)], LIMIT)


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"%!PS-Adobe"])
def test_garbage_is_bad(data):
    for action in (decode, check):
        with pytest.raises(PictureError):
            action(data, LIMIT)


def test_a_picture_without_pixels_is_bad():
    for data in (png(0, 4, 8, 2, b""), b"P6 0 4 255\n"):
        with pytest.raises(PictureError):
            check(data, LIMIT)


def test_png_text_with_a_turn_is_honoured():
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    data = encoded(Image.fromarray(pixels(13, 4, 6)), "PNG", pnginfo=info)
    assert decode(data, LIMIT).shape == (6, 4, 3) == (*check(data, LIMIT), 3)


def test_encode_png_is_lossless_and_deterministic():
    rgb = pixels(14, 33, 21)
    assert encode_png(rgb) == encode_png(rgb.copy())
    np.testing.assert_array_equal(decode(encode_png(rgb), LIMIT), rgb)
    np.testing.assert_array_equal(pillow(encode_png(rgb)), rgb)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_encode_png_refuses_other_shapes(shape):
    with pytest.raises(PictureError, match="uint8"):
        encode_png(np.zeros(shape, np.uint8))


def test_opencv_is_used_for_the_plain_ones(monkeypatch):
    monkeypatch.setattr("tasks.shard.pictures._by_pillow", lambda image: pytest.fail("took the slow way"))
    exif = Image.Exif()
    exif[0x0112] = 1
    for data in (picture(0, "PNG"), picture(0, "JPEG"), picture(0, "JPEG", exif=exif)):
        decode(data, LIMIT)


@pytest.mark.parametrize("name", ["cifar10", "imagenette224", "gtsrb32"])
def test_real_pictures_decode_as_pillow_does(name):
    from tasks.shard.tar import group, members

    path = sorted(real_data(name).glob("*-test-*.tar.gz"))[0]
    for _, parts in group(members(path.read_bytes(), path.name, 1 << 30))[:150]:
        data = parts[0][1] or b""
        rgb = decode(data, LIMIT)
        np.testing.assert_array_equal(rgb, pillow(data))
        assert check(data, LIMIT) == rgb.shape[:2]


def test_nothing_heavy_is_imported():
    import subprocess
    import sys

    code = (
        "import sys, tasks.shard.pictures; print([m for m in ('pydantic', 'webdataset', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
