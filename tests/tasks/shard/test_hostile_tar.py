"""Shards made to do harm: whatever a member is called or claims to be, it is quarantined or its shard refused.

Nothing is unpacked to a disk, nothing published under a name that leads elsewhere, and nothing takes for ever.
"""

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webdataset.tariterators import base_plus_ext

from infra.errors import DataError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from tasks.shard.tar import members, unpack
from tasks.shard.tar_headers import key_and_extension
from tests.tasks.rewrite.helpers import config_of, files, protect_all
from tests.tasks.shard.helpers import manifest_of, picture, reasons, shard, tarred

MAX = 1 << 24


def raw(*infos, form=tarfile.PAX_FORMAT):
    """A tar of (TarInfo, bytes), as tarfile writes it in this format."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for info, data in infos:
            info.size = len(data) if info.type == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def info(name, kind=tarfile.REGTYPE, /, **pax):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.pax_headers = kind, "/etc/passwd", pax
    return made


def beside_good(*samples):
    """Good samples with others among them."""
    good = [(info(name), data or b"") for name, data in shard(4)]
    return raw(*good[:4], *samples, *good[4:])


def indexed(tmp_path, data, **fields):
    place = Folder(str(tmp_path / "source"))
    place.write("a.tar", data)
    manifest, indices = manifest_of(SourceSpec(url=place.url, max_bad_share=0.9, **fields), Folder(str(tmp_path / "w")))
    return manifest, reasons(indices)


NAMES = [
    "/etc/k",
    "//etc/k",
    "../k",
    "../../../../tmp/k",
    "a/../k",
    "a/b/k",
    "a\\..\\k",
    "C:\\k",
    "\\\\host\\share\\k",
    "k/../../k",
    "k\n",
    "k\r",
    "\tk",
    "k\x1b[2Jx",
    "k\x07",
    "k\x7f",
    "k\x9bx",
    "k\u202egnp",
    "k\u2066x",
    "k\u200fx",
    "k\u2028x",
    "k\U000e0041x",
    "k\udcffx",
]


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_elsewhere_or_deceives_is_quarantined(tmp_path, name, limit):
    hostile = [(info(f"{name}.png"), picture()), (info(f"{name}.cls"), b"0")]
    manifest, bad = indexed(tmp_path, beside_good(*hostile), limit=limit)
    assert manifest.samples == 4
    assert len(bad) == 1
    ((key, reason),) = bad.items()
    assert key.isprintable()
    assert "path in it" in reason or "control characters" in reason


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE], ids=str
)
def test_what_is_no_plain_file_is_quarantined(tmp_path, kind):
    manifest, bad = indexed(tmp_path, beside_good((info("k.png", kind), b""), (info("k.cls"), b"0")))
    assert manifest.samples == 4
    assert bad == {"k": "a member of it is no plain file but a link, a device or a sparse file"}


@pytest.mark.parametrize("version", ["old", "0.0", "0.1", "1.0"])
def test_a_sparse_file_is_quarantined_or_its_shard_refused(tmp_path, version):
    """It may claim a terabyte in a few bytes."""
    if version == "old":
        made = info("k.png")
        header = bytearray(made.tobuf(tarfile.GNU_FORMAT))
        header[156:157] = tarfile.GNUTYPE_SPARSE
        header[386:398] = header[398:410] = b"00000000000\0"
        header[483:495] = b"77777777777\0"  # the size that it would have
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        data = tarred(shard(4)[:4]).rstrip(b"\0")
        data = data + bytes(-len(data) % 512) + bytes(header) + tarred([("k.cls", b"0"), *shard(2, 2)])
    else:
        sizes = {"GNU.sparse.size": str(1 << 40), "GNU.sparse.realsize": str(1 << 40), "GNU.sparse.name": "k.png"}
        block = {"GNU.sparse.offset": "0", "GNU.sparse.numbytes": "3", "GNU.sparse.numblocks": "1"}
        numbers = {"GNU.sparse.map": "0,3"} if version == "0.1" else block
        told = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"} if version == "1.0" else numbers
        data = beside_good((info("k.png", **sizes, **told), b"1\n0\n3\nabc"), (info("k.cls"), b"0"))
    manifest, bad = indexed(tmp_path, data)
    assert manifest.samples == 4
    assert bad == {"k": "a member of it is no plain file but a link, a device or a sparse file"}


def test_the_map_of_a_sparse_file_is_not_kept():
    told = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9", "GNU.sparse.name": "k.png"}
    data = raw((info("k.png", tarfile.REGTYPE, **told), b"1000000\n" + b"1\n" * 2_000_000))
    tracemalloc.start()
    try:
        assert [(member.name, member.data) for member in members(data, "a.tar", MAX)] == [("k.png", None)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(data)


def test_a_pax_header_decides_the_name_and_is_held_to_the_rules(tmp_path):
    lying = [(info("fine.png", path="../../k.png"), picture()), (info("fine.cls", path="/k.cls"), b"0")]
    manifest, bad = indexed(tmp_path, beside_good(*lying))
    assert manifest.samples == 4
    assert len(bad) == 2
    assert set(bad.values()) == {"its name has a path in it"}


@pytest.mark.parametrize("size", ["-1", "-512", "1e9", "nan", "9" * 30, "9" * 5000, str(1 << 62), "0x10", ""])
def test_a_pax_header_that_lies_about_a_size_has_its_shard_refused(tmp_path, size):
    data = beside_good((info("k.png", size=size), picture()), (info("k.cls"), b"0"))
    with pytest.raises(DataError, match="truncated or damaged"):
        indexed(tmp_path, data)


def test_a_picture_that_a_pax_header_cuts_is_quarantined(tmp_path):
    manifest, bad = indexed(tmp_path, beside_good((info("k.png", size="1"), picture()), (info("k.cls"), b"0")))
    assert (manifest.samples, bad) == (4, {"k": "it is not a picture that can be read"})


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["../" * 60 + "k", "d/" * 90 + "k", "/" + "k" * 300])
def test_a_long_name_is_held_to_the_rules(tmp_path, form, name):
    hostile = [(info(f"{name}.png"), picture()), (info(f"{name}.cls"), b"0")]
    good = [(info(n), d or b"") for n, d in shard(4)]
    manifest, bad = indexed(tmp_path, raw(*good, *hostile, form=form))
    assert (manifest.samples, list(bad.values())) == (4, ["its name has a path in it"])


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE])
def test_headers_before_headers_end(kind):
    made = info("x")
    made.type = kind
    with pytest.raises(DataError, match="truncated or damaged"):
        members(made.tobuf(tarfile.GNU_FORMAT) * 20_000 + bytes(1024), "a.tar", 1 << 30)


def extended(content, kind=tarfile.XHDTYPE):
    """An archive whose first header is an extended or a long one with this content."""
    made = info("x", kind)
    made.size = len(content)
    header = made.tobuf(tarfile.GNU_FORMAT)
    return header + content + bytes(-len(content) % 512) + tarred([("k.png", picture())])


def stated(key, value):
    """A record of a pax header."""
    rest = f" {key}=".encode() + value + b"\n"
    size = len(rest) + 1
    while len(b"%d" % size) + len(rest) != size:
        size = len(b"%d" % size) + len(rest)
    return b"%d" % size + rest


KINDS = [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]


@pytest.fixture
def unread(monkeypatch):
    """Fails a test in which tarfile comes to read what an extended or a long header states."""
    for reader in ("_proc_pax", "_proc_gnulong"):
        monkeypatch.setattr(tarfile.TarInfo, reader, lambda *_: pytest.fail("it was read"))


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_long_header_is_refused_unread(kind):
    """tarfile's search in 4 MB of digits takes hours, and gzip makes some kilobytes of them."""
    data = gzip.compress(extended(b"1" * (4 << 20), kind))
    assert len(data) < 10_000
    with pytest.raises(DataError, match="after 0 members: a header of it states 4194304 bytes, where 65536 are"):
        members(data, "a.tar.gz", 1 << 30)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("kind", KINDS[:3], ids=str)
@pytest.mark.parametrize("content", [b"1" * 200, stated("comment", b"a" + b"1" * 4000)], ids=["bare", "a record"])
def test_a_long_number_in_an_extended_header_is_refused_unread(kind, content):
    with pytest.raises(DataError, match="after 0 members: a header of it states a number of 200 digits or more"):
        members(extended(content, kind), "a.tar", MAX)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(
    "content",
    [
        b"2 " * 1000 + b"=x\n",  # each record reaches to the end, and is a key as long
        b"0 a=b\n",
        b"6 a=bc\n",
        b"7 a=b\n",
        b"6 a=b",
        b"6 =ab\n",
        b"6 abc\n",
        b"a=b\n",
        b"6 a=b\n6 ",
    ],
)
def test_records_that_overlap_or_are_none_are_refused_unread(content):
    with pytest.raises(DataError, match="after 0 members: a header of it is ill-formed"):
        members(extended(content), "a.tar", MAX)


PAX = st.dictionaries(
    st.text(st.characters(exclude_characters="=\0", exclude_categories=("Cs",)), min_size=1, max_size=9),
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=99),
    max_size=5,
)


@given(PAX, st.binary(max_size=30))
def test_what_tarfile_writes_into_a_header_is_read_as_before(pax, data):
    pax = {key: value for key, value in pax.items() if key not in tarfile.PAX_FIELDS and "sparse" not in key}
    made = info("\u00e9" * 300 + ".png", **pax)  # by a record too
    assert [(m.name, m.data) for m in members(raw((made, data)), "a.tar", MAX)] == [(made.name, data)]


@pytest.mark.parametrize("key", ["path", "linkpath", "size"])
def test_what_can_be_true_of_one_member_alone_is_not_stated_of_all(key):
    """A name of 64 KB that each of a million headers has would be a million names of 64 KB."""
    data = extended(stated(key, b"9"), tarfile.XGLTYPE)
    with pytest.raises(DataError, match="after 0 members: it states too much for all of its members"):
        members(data, "a.tar", MAX)


@given(st.text("ab./\n\u00e9", max_size=20))
def test_a_name_is_cut_as_webdataset_cuts_it(name):
    assert key_and_extension(name) == base_plus_ext(name)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(("name", "said"), [("k" * 5000, "more than 4096 characters"), ("a/" * 16_000, "path in it")])
def test_an_endless_name_is_quarantined(tmp_path, form, name, said):
    hostile = [(info(f"{name}.png"), picture()), (info(f"{name}.cls"), b"0")]
    good = [(info(n), d or b"") for n, d in shard(4)]
    if name.endswith("/"):  # not hidden, and without an extension too
        hostile = [(info(f"{name}k.png"), picture()), (info(f"{name}k.cls"), b"0"), (info(f"{name}z"), b"")]
    manifest, bad = indexed(tmp_path, raw(*good, *hostile, form=form))
    assert manifest.samples == 4
    assert bad
    assert all(said in reason for reason in bad.values())


def test_global_statements_are_bounded():
    """tarfile copies them for each member: a hundred thousand of them and as many members would take a day."""
    stream = io.BytesIO()
    stated = {f"k{i}": "v" for i in range(100_000)}
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, pax_headers=stated) as archive:
        for i in range(100):
            archive.addfile(tarfile.TarInfo(f"{i}.png"))
    with pytest.raises(DataError, match="truncated or damaged after 0 members"):
        members(stream.getvalue(), "a.tar", 1 << 30)


def test_the_statement_that_git_makes_is_fine():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "0" * 40}) as made:
        made.addfile(tarfile.TarInfo("k.png"))
    assert [member.name for member in members(stream.getvalue(), "a.tar", MAX)] == ["k.png"]


def test_memory_is_bounded_while_a_bomb_is_unpacked():
    bomb = gzip.compress(bytes(200_000_000))
    assert len(bomb) < 200_000
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="unpacks to more than"):
            unpack(bomb, "a.tar.gz", MAX)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * MAX


def test_memory_is_bounded_over_many_members_of_a_gzip_file():
    bomb = gzip.compress(bytes(1_000_000)) * 50
    with pytest.raises(DataError, match="unpacks to more than 16777216 bytes"):
        unpack(bomb, "a.tar.gz", MAX)


def test_a_gzip_file_of_nothing_but_small_members_ends():
    """Copying what is left after each of them took hours for these few megabytes."""
    assert unpack(gzip.compress(b"") * 500_000 + gzip.compress(b"x"), "a.tar.gz", MAX) == b"x"


def test_a_gzip_file_in_a_gzip_file_is_not_unpacked(tmp_path):
    nested = gzip.compress(gzip.compress(tarred(shard(4))))
    with pytest.raises(DataError, match=r"a\.tar is not a tar archive"):
        indexed(tmp_path, nested)


def test_headers_that_hold_nothing_are_not_kept():
    data = tarfile.TarInfo("d").tobuf(tarfile.USTAR_FORMAT) * 20_000 + bytes(1024)
    tracemalloc.start()
    try:
        members(data, "a.tar", MAX)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(data)


HOSTILE_TEXT = st.text("ak01._-/\\:*?<>|$`'\"{}()&; \n\r\t\x1b\x00\u202e\u0430\u00e9\udcff~", max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(HOSTILE_TEXT, HOSTILE_TEXT), max_size=6))
def test_whatever_members_are_called_nothing_is_published_under_a_bad_name(tmp_path_factory, names):
    root = tmp_path_factory.mktemp("hostile")
    hostile = []
    for key, extension in names:
        hostile += [(f"{key}.png", picture()), (f"{key}.cls", b"0"), (f"{key}.{extension}", b"x")]
    (root / "in").mkdir()
    (root / "in" / "a.tar").write_bytes(tarred([*shard(4), *hostile]))
    config = config_of(root / "job", SourceSpec(url=str(root / "in"), max_bad_share=1.0))
    protect_all(config)
    out = files(config.destination)
    assert sorted(out) == ["README.md", "a.tar", "manifest.json"]
    for member in members(out["a.tar"], "a.tar", MAX):
        assert member.data is not None
        assert not set(member.name) & set("/\\\n\r\t\x1b\x00\u202e\udcff")
        assert ".." not in member.name
    assert {path.name for path in root.iterdir()} == {"in", "job"}
    assert not (Path(root).parent / "k.png").exists()
