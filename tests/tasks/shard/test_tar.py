import gzip
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webdataset.writer import TarWriter

from infra.errors import DataError
from tasks.shard.tar import Member, build, group, members
from tests.tasks.shard.helpers import shard, tarred

MAX = 1 << 24
GOOD = tarred(shard(20))


def test_members_of_a_plain_and_a_gzip_tar():
    expected = [Member(name, data) for name, data in shard(20)]
    assert members(GOOD, "a.tar", MAX) == expected
    assert members(gzip.compress(GOOD), "a.tar.gz", MAX) == expected
    half = len(GOOD) // 2
    assert members(gzip.compress(GOOD[:half]) + gzip.compress(GOOD[half:]), "a.tar.gz", MAX) == expected


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_tar_format_is_read(form):
    stream = io.BytesIO()
    name = "x" * (90 if form == tarfile.USTAR_FORMAT else 150) + ".png"
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        info = tarfile.TarInfo(name)
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    assert members(stream.getvalue(), "a.tar", MAX) == [Member(name, b"abc")]


def test_every_cut_at_a_block_is_found():
    end = GOOD.rstrip(b"\0")
    last = (len(end) + 511) // 512
    for blocks in range(1, last + 1):
        with pytest.raises(DataError, match=r"shard a\.tar is truncated or damaged after \d+ members; copy it again"):
            members(GOOD[: blocks * 512], "a.tar", MAX)


@pytest.mark.parametrize("cut", [1, 100, 511, 513, 5000])
def test_any_other_cut_is_found(cut):
    with pytest.raises(DataError):
        members(GOOD[:cut], "a.tar", MAX)


@pytest.mark.parametrize("offset", [0, 100, 124, 148, 156, 257])
def test_a_damaged_header_is_found(offset):
    third = GOOD.index(b"0003.png")
    damaged = bytearray(GOOD)
    damaged[third + offset] ^= 0x55
    with pytest.raises(DataError, match=r"shard a\.tar is truncated or damaged after 6 members"):
        members(bytes(damaged), "a.tar", MAX)


def test_zeroed_blocks_are_found():
    third = GOOD.index(b"0003.png")
    with pytest.raises(DataError, match="after 6 members"):
        members(GOOD[:third] + bytes(512) + GOOD[third + 512 :], "a.tar", MAX)


def test_a_negative_size_does_not_hang():
    info = tarfile.TarInfo("a.png")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(DataError, match="damaged after 0 members"):
        members(bytes(header) + bytes(1024), "a.tar", MAX)


def test_a_truncated_or_damaged_gzip_is_found():
    packed = gzip.compress(GOOD)
    for data in (packed[:-1], packed[: len(packed) // 2], packed[:12], packed + b"more"):
        with pytest.raises(DataError, match=r"shard a\.tar\.gz is truncated or damaged"):
            members(data, "a.tar.gz", MAX)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    with pytest.raises(DataError, match="truncated or damaged"):
        members(bytes(flipped), "a.tar.gz", MAX)
    assert len(members(packed + bytes(100), "a.tar.gz", MAX)) == 40


def test_an_archive_bomb_is_refused():
    bomb = gzip.compress(tarred([("a.png", bytes(30_000_000))]))
    assert len(bomb) < 100_000
    with pytest.raises(DataError, match=r"a\.tar\.gz unpacks to more than 16777216 bytes"):
        members(bomb, "a.tar.gz", MAX)
    with pytest.raises(DataError, match="unpacks to more than 1024 bytes"):
        members(GOOD, "a.tar", 1024)


NO_TARS = {
    "empty": b"",
    "text": b"hello",
    "long-text": b"x" * 5000,
    "zip": b"PK\x03\x04" + bytes(2000),
    "gzip-of-text": gzip.compress(b"hello"),
}


@pytest.mark.parametrize("data", NO_TARS.values(), ids=NO_TARS)
def test_what_is_no_tar_is_refused(data):
    with pytest.raises(DataError, match=r"a\.tar is not a tar archive"):
        members(data, "a.tar", MAX)


def test_an_empty_archive_has_no_members():
    assert members(tarred([]), "a.tar", MAX) == []


def test_nothing_but_plain_files_is_followed():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind in [
            ("d", tarfile.DIRTYPE),
            ("s.png", tarfile.SYMTYPE),
            ("h.png", tarfile.LNKTYPE),
            ("f.png", tarfile.FIFOTYPE),
            ("c.png", tarfile.CHRTYPE),
            ("b.png", tarfile.BLKTYPE),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    found = members(stream.getvalue(), "a.tar", MAX)
    assert found == [Member(name, None) for name in ("s.png", "h.png", "f.png", "c.png", "b.png")]


def test_group_follows_webdataset():
    names = [
        "./a.JPG",
        "./a.cls",
        "b.seg.png",
        "b.png",
        "README",
        "a.txt",
        ".hidden.png",
        "x/._y.png",
        "__meta__",
        "x/c.png",
    ]
    found = group([Member(name, name.encode()) for name in names])
    assert [(key, [extension for extension, _ in parts]) for key, parts in found] == [
        ("a", ["JPG", "cls"]),
        ("b", ["seg.png", "png"]),
        ("README", [""]),
        ("a", ["txt"]),
        ("x/c", ["png"]),
    ]


def test_group_agrees_with_webdataset_itself():
    import webdataset as wds

    stream = io.BytesIO(GOOD)
    with tarfile.open(fileobj=stream) as archive:
        files = [{"__url__": "a.tar", "fname": m.name, "data": archive.extractfile(m).read()} for m in archive]
    theirs = [
        (s["__key__"], {k: v for k, v in s.items() if not k.startswith("_")})
        for s in wds.tariterators.group_by_keys(files)
    ]
    assert theirs == [(key, dict(parts)) for key, parts in group(members(GOOD, "a.tar", MAX))]


def test_build_is_deterministic_and_keeps_order(monkeypatch):
    samples = [("b", [("png", b"1"), ("cls", b"0")]), ("a", [("cls", b"1"), ("_x", b"2"), ("jpg", b"3")])]
    first = build(samples)
    monkeypatch.setattr("time.time", lambda: 1e9)
    assert build(samples) == first
    assert group(members(first, "a.tar", MAX)) == [(key, tuple(parts)) for key, parts in samples]


@pytest.mark.parametrize(
    "samples",
    [
        [("a", [("png", b""), ("png", b"")])],
        [("a", [("png", b"")]), ("b", [("png", b"")]), ("a", [("cls", b"")])],
        [("a.b", [("png", b"")])],
        [("a", [("", b"")])],
        [("a", [("__key__", b"")])],
        [("", [("png", b"")])],
        [("a", [("x/y", b"")])],
    ],
)
def test_build_refuses_what_could_not_be_read_back(samples):
    with pytest.raises(DataError):
        build(samples)


KEYS = st.from_regex(r"[A-Za-z0-9_-]{1,120}", fullmatch=True)
EXTENSIONS = st.sampled_from(["png", "jpg", "cls", "json", "seg.png", "TXT", "é"])
SAMPLES = st.dictionaries(KEYS, st.dictionaries(EXTENSIONS, st.binary(max_size=1200), min_size=1), max_size=8)


@settings(max_examples=60, deadline=None)
@given(SAMPLES)
def test_what_is_built_is_read_back(samples):
    listed = [(key, tuple(parts.items())) for key, parts in samples.items()]
    data = build(listed)
    assert data == build(listed)
    assert group(members(data, "a.tar", MAX)) == listed
    assert group(members(gzip.compress(data), "a.tar.gz", MAX)) == listed


def by_tarwriter(listed):
    """The same shard as webdataset writes it, a member at a time so that their order stays."""
    stream = io.BytesIO()
    options = {"user": "unlearnable", "group": "unlearnable", "mode": 0o644, "mtime": 0}
    with TarWriter(stream, encoder=False, keep_meta=True, compress=False, **options) as writer:
        for key, parts in listed:
            for extension, data in parts:
                writer.write({"__key__": key, extension: data})
    return stream.getvalue()


@settings(max_examples=200, deadline=None)
@given(SAMPLES)
def test_what_is_built_is_what_webdataset_writes(samples):
    listed = [(key, tuple(parts.items())) for key, parts in samples.items()]
    assert build(listed) == by_tarwriter(listed)


@pytest.mark.parametrize(
    "key", ["a" * 96, "a" * 97, "d/" * 48 + "a", "d/" * 200 + "a", "Bücher/Käse", "x y", "\udcff", "\x7f"]
)
@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 10_240, 70_000])
def test_long_and_strange_names_and_any_size_are_written_as_webdataset_does(key, size):
    listed = [(key, (("png", bytes(size)), ("cls", b"0"))), ("next", (("png", b"1"),))]
    assert build(listed) == by_tarwriter(listed)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_flipped_byte_loses_a_sample_silently(offset, flip):
    damaged = bytearray(GOOD)
    damaged[offset] ^= flip
    try:
        found = members(bytes(damaged), "a.tar", MAX)
    except DataError:
        return
    assert len(found) == 40
