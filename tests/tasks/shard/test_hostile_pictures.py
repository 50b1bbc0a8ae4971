"""Pictures made to take memory or time: refused or read, and bounded either way."""

import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.shard.jpeg import plain_size
from tasks.shard.pictures import PictureError, check, decode
from tasks.shard.scans import has_more_scans
from tests.tasks.shard.helpers import LIMIT, encoded, picture, pixels
from tests.tasks.shard.test_pictures import pillow, png_chunk

BASE = encoded(Image.fromarray(pixels(1)))
HEAD, REST, END = BASE[:33], BASE[33:], BASE[-12:]  # up to its first chunk, from there on, and its last one
BOMB = zlib.compress(bytes(300_000_000), 9)
TEXTS = {b"zTXt": b"k\0\0" + BOMB, b"iTXt": b"k\0\1\0\0\0" + BOMB, b"iCCP": b"k\0\0" + BOMB}
ANIMATED = ("GIF", "WEBP", "PNG", "TIFF")
MEMORY = 200 << 20


CODE = """
import resource, sys
from pathlib import Path
from tasks.shard.pictures import PictureError, check, decode
folder = Path(sys.argv[1])
decode((folder / "first").read_bytes(), 10**8)
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + int(sys.argv[2]),) * 2)
for path in sorted(folder.iterdir()):
    for action in (check, decode):
        try:
            found = action(path.read_bytes(), 89_478_485)
            print(path.name, "read", *getattr(found, "shape", found)[:2])
        except PictureError as error:
            print(path.name, "refused", error)
"""


def animation(kind: str) -> bytes:
    """400 frames of 64 x 64."""
    frames = [Image.fromarray(pixels(i % 9, 64, 64)) for i in range(400)]
    options = {"lossless": True} if kind == "WEBP" else {}
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """By picture, what `check` and `decode` say of it in a process that gets 200 MB more than it has."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("memory can be limited on Linux alone")
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "first").write_bytes(BASE)
    for kind, text in TEXTS.items():
        chunk = png_chunk(kind, text)
        (folder / f"{kind.decode()}-before").write_bytes(HEAD + chunk + REST)
        (folder / f"{kind.decode()}-behind").write_bytes(BASE[:-12] + chunk + END)
    for kind in ANIMATED:
        (folder / kind).write_bytes(animation(kind))
    command = [sys.executable, "-c", CODE, str(folder), str(MEMORY)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        name, _, rest = line.partition(" ")
        found.setdefault(name, []).append(rest)
    return found


@pytest.mark.parametrize("kind", TEXTS, ids=bytes.decode)
@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_text_in_a_png_takes_no_memory(said, kind, where):
    assert said["first"] == ["read 8 8"] * 2
    assert [line.split()[0] for line in said[f"{kind.decode()}-{where}"]] == ["refused"] * 2


@pytest.mark.parametrize("kind", ANIMATED)
def test_of_many_frames_the_first_alone_takes_memory(said, kind):
    assert said[kind] == ["read 64 64"] * 2


@pytest.mark.parametrize("where", ["before", "behind"])
def test_many_texts_in_a_png_are_refused(where):
    texts = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(900_000), 9)) * 100
    data = HEAD + texts + REST if where == "before" else BASE[:-12] + texts + END
    for action in (check, decode):
        with pytest.raises(PictureError):
            action(data, LIMIT)


def test_data_behind_the_pixels_of_a_png_are_not_unpacked(monkeypatch):
    rows = b"".join(b"\0" + row.tobytes() for row in pixels(1))
    packed = zlib.compress(rows + bytes(100_000_000), 9)
    assert len(packed) > 1 << 16
    data = HEAD + png_chunk(b"IDAT", packed) + END
    monkeypatch.setattr("tasks.shard.pictures._by_opencv", lambda _: pytest.fail("libpng unpacks all of it"))
    assert check(data, LIMIT) == (8, 8)
    np.testing.assert_array_equal(decode(data, LIMIT), pixels(1))


def test_a_png_with_a_large_profile_is_read_as_before():
    profile = np.random.default_rng(0).bytes(300_000)
    data = encoded(Image.fromarray(pixels(1)), icc_profile=profile)
    assert len(data) > 1 << 17
    np.testing.assert_array_equal(decode(data, LIMIT), pixels(1))


@pytest.mark.parametrize("kind", ANIMATED)
def test_of_many_frames_the_first_alone_is_decoded(kind):
    data = animation(kind)
    assert check(data, LIMIT) == (64, 64)
    np.testing.assert_array_equal(decode(data, LIMIT), pillow(data))


def test_a_frame_that_is_larger_than_its_animation_counts():
    """A GIF's screen may be 1 x 1 and its first frame 60,000 x 60,000."""
    data = bytearray(encoded(Image.new("P", (4, 4)), "GIF"))
    data[6:10] = b"\1\0\1\0"
    at = data.index(b",")
    data[at + 5 : at + 9] = (60_000).to_bytes(2, "little") * 2
    for action in (check, decode):
        with pytest.raises(PictureError, match="more than the limit"):
            action(bytes(data), 89_478_485)


def progressive(scans: int, size: int = 16) -> bytes:
    """A gray progressive JPEG with so many scans at least: its last one again and again."""
    data = encoded(Image.fromarray(pixels(2, size, size)[:, :, 0]), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    tables = data.rindex(b"\xff\xc4", 0, last)
    return data[:-2] + data[tables:-2] * scans + data[-2:]


def test_a_jpeg_of_many_scans_is_refused():
    data = progressive(200)
    for action in (check, decode):
        with pytest.raises(PictureError, match="a JPEG of more than 100 scans"):
            action(data, LIMIT)
    assert check(progressive(20), LIMIT) == (16, 16)


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def baseline(scans: int, size: int = 16) -> bytes:
    """A baseline JPEG whose three channels come in a scan each, and then the first of them again and again."""
    whole = encoded(Image.new("RGB", (size, size)), "JPEG", subsampling=0)
    head = whole[: whole.index(b"\xff\xda")]
    one, two, three = (
        segment(0xDA, bytes([1, channel, 0x00 if channel == 1 else 0x11, 0, 63, 0])) + bytes(8) for channel in (1, 2, 3)
    )
    return head + one + two + three + one * scans + b"\xff\xd9"


def test_a_baseline_jpeg_of_many_scans_is_refused():
    data = baseline(200)
    assert plain_size(data) is None
    for action in (check, decode):
        with pytest.raises(PictureError, match="a JPEG of more than 100 scans"):
            action(data, LIMIT)


def test_a_baseline_jpeg_with_a_scan_for_each_channel_is_read():
    data = baseline(0)
    assert plain_size(data) is None
    assert check(data, LIMIT) == (16, 16)
    np.testing.assert_array_equal(decode(data, LIMIT), pillow(data))


@pytest.mark.parametrize("channels", range(256))
def test_only_a_first_scan_of_all_channels_is_ordinary(channels):
    data = bytearray(picture(1, "JPEG"))
    data[data.index(b"\xff\xda") + 4] = channels
    assert plain_size(bytes(data)) == ((8, 8) if channels == 3 else None)


def test_scans_are_counted_in_the_picture_alone():
    plain = picture(1, "JPEG", 16, 16, progressive=True)
    # A film behind the picture, and its small copy in a header, are none of its scans.
    assert not has_more_scans(plain + b"\xff\xda" * 500, 100)
    header = b"\xff\xe1" + (2 + 1000).to_bytes(2, "big") + b"\xff\xda" * 500
    assert not has_more_scans(plain[:2] + header + plain[2:], 100)
    assert check(plain[:2] + header + plain[2:], LIMIT) == (16, 16)
    assert has_more_scans(progressive(200), 100)
    assert not has_more_scans(progressive(20), 100)
    for cut in range(0, 400, 7):
        assert not has_more_scans(progressive(200)[:cut] + b"\xff\xda", 100)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xda" * 200, b"\xff\xd8" + b"\xff\xda\0\0" * 200, b"\xff\xd8" + b"\xff" * 99]
)
def test_counting_ends_whatever_it_is_given(data):
    assert has_more_scans(data, 100) in (True, False)
