import errno
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import aiohttp
import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from infra.errors import ConfigurationError, DataError, StorageError
from infra.storage import TEMPORARY, Folder, fingerprint, sha256

ROOT = Path(__file__).parents[2]


class Number(BaseModel):
    value: int


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path / "place"))


@pytest.fixture(params=["disk", "memory"])
def place(request, tmp_path):
    if request.param == "disk":
        yield Folder(str(tmp_path / "place"))
    else:
        yield Folder(f"memory://{tmp_path.name}")
        MemoryFileSystem.store.clear()


def raising(error):
    def fail(*args, **kwargs):
        raise error

    return fail


def leftovers(folder):
    return [p.name for p in Path(folder.path).rglob("*") if p.name.startswith(TEMPORARY)]


class TestRoundTrip:
    def test_what_is_written_is_read_again(self, place):
        place.write("a/b/c.bin", b"\x00\xff")
        assert place.read("a/b/c.bin") == b"\x00\xff"
        assert place.child("a").read("b/c.bin") == b"\x00\xff"

    def test_a_write_replaces_the_object(self, place):
        place.write("x", b"a long first text")
        place.write("x", b"short")
        assert place.read("x") == b"short"

    def test_an_empty_object_is_an_object(self, place):
        place.write("x", b"")
        assert place.read_optional("x") == b""
        assert list(place.list()) == ["x"]

    def test_a_list_has_every_object_below_in_order(self, place):
        for name in ("b", "a/2", "a/1/x"):
            place.write(name, name.encode())
        found = place.list()
        assert list(found) == ["a/1/x", "a/2", "b"]
        assert [info["size"] for info in found.values()] == [5, 3, 1]

    def test_an_info_tells_the_size(self, place):
        place.write("x", b"four")
        assert place.info("x")["size"] == 4

    def test_a_deleted_object_is_gone(self, place):
        place.write("x", b"1")
        place.delete("x")
        assert place.read_optional("x") is None

    def test_a_record_survives_saving_and_loading(self, place):
        place.save("n.json", Number(value=3))
        assert place.load("n.json", Number) == Number(value=3)
        assert place.read("n.json").endswith(b"}\n")

    @settings(deadline=None, max_examples=25)
    @given(st.binary(max_size=300))
    def test_any_bytes_come_back(self, data):
        place = Folder("memory://bytes")
        place.write("x", data)
        assert place.read("x") == data


class TestMissing:
    def test_reading_says_that_nothing_is_there(self, place):
        with pytest.raises(StorageError, match="nothing is there") as caught:
            place.read("gone")
        assert place.object_url("gone") in str(caught.value)
        assert not caught.value.transient

    def test_an_optional_read_gives_none(self, place):
        assert place.read_optional("gone") is None

    def test_an_info_gives_none(self, place):
        assert place.info("gone") is None

    def test_a_delete_is_no_error(self, place):
        place.delete("gone")

    def test_a_list_is_empty(self, place):
        assert place.list() == {}

    def test_a_load_gives_none(self, place):
        assert place.load("gone", Number) is None

    def test_a_sweep_is_no_error(self, place):
        place.sweep()


class TestWholeOrNothing:
    @pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EIO, "input/output error")])
    @pytest.mark.parametrize("moment", ["fsync", "replace"])
    def test_an_interrupted_write_leaves_the_old_object_and_nothing_else(self, folder, monkeypatch, error, moment):
        folder.write("x", b"old")
        with monkeypatch.context() as patch:
            patch.setattr(os, moment, raising(error))
            with pytest.raises((KeyboardInterrupt, StorageError)):
                folder.write("x", b"new")
        assert folder.read("x") == b"old"
        assert [path.name for path in Path(folder.path).iterdir()] == ["x"]

    def test_a_killed_writer_leaves_the_old_object_and_nothing_that_is_listed(self, folder):
        folder.write("x", b"old")
        code = (
            "import os; from infra.storage import Folder\n"
            f"os.replace = lambda *_: os._exit(9)\nFolder({folder.url!r}).write('x', b'new')"
        )
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 9
        assert folder.read("x") == b"old"
        assert leftovers(folder), "the writer was not killed in the middle"
        assert list(folder.list()) == ["x"]
        folder.sweep()
        assert leftovers(folder) == []
        assert folder.read("x") == b"old"

    def test_a_sweep_reaches_subfolders_and_leaves_objects(self, folder):
        for name in ("a/b/x", f"a/b/{TEMPORARY}1", f"{TEMPORARY}2", "a/.tmp"):
            folder.write(name, b"1")
        folder.sweep()
        assert leftovers(folder) == []
        assert list(folder.list()) == ["a/.tmp", "a/b/x"]

    def test_a_bucket_gets_an_object_by_one_put(self, monkeypatch):
        puts = []
        monkeypatch.setattr(MemoryFileSystem, "pipe_file", lambda self, path, data: puts.append((path, data)))
        Folder("memory://bucket").write("a/x", b"1")
        assert puts == [("/bucket/a/x", b"1")]

    def test_a_private_object_is_for_its_owner_alone_from_its_first_byte(self, folder, monkeypatch):
        modes = []
        real = os.fsync
        monkeypatch.setattr(os, "fsync", lambda file: (modes.append(os.fstat(file).st_mode), real(file)))
        folder.write("secret", b"1", private=True)
        modes.append(Path(folder.object_path("secret")).stat().st_mode)
        assert [stat.S_IMODE(mode) for mode in modes] == [0o600, 0o600]

    def test_an_object_has_the_rights_that_the_umask_leaves(self, folder):
        old = os.umask(0o027)
        try:
            folder.write("x", b"1")
        finally:
            os.umask(old)
        assert stat.S_IMODE(Path(folder.object_path("x")).stat().st_mode) == 0o640


def at_once(act, count=8):
    """What `act(i)` gives in `count` threads that start at the same moment."""
    ready = Barrier(count)

    def one(i):
        ready.wait(timeout=30)
        return act(i)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


class TestCreate:
    def test_an_object_is_created_once_and_never_replaced(self, place):
        assert place.create("a/x", b"first") is True
        assert place.create("a/x", b"second") is False
        assert place.read("a/x") == b"first"

    def test_what_is_there_by_another_way_is_left_alone(self, place):
        place.write("x", b"")
        assert place.create("x", b"1") is False
        assert place.read("x") == b""

    @pytest.mark.parametrize("round", range(20))
    def test_of_many_writers_exactly_one_wins(self, place, round):
        name = f"claim-{round}"
        won = at_once(lambda i: place.create(name, b"%d" % i))
        assert sum(won) == 1
        assert place.read(name) == b"%d" % won.index(True)
        assert list(place.list()) == [name]

    @settings(deadline=None, max_examples=15)
    @given(st.lists(st.binary(max_size=20), min_size=2, max_size=6))
    def test_writers_of_equal_bytes_are_told_apart_on_a_disk(self, tmp_path_factory, texts):
        folder = Folder(str(tmp_path_factory.mktemp("claims")))
        assert sum(at_once(lambda i: folder.create("x", texts[i]), len(texts))) == 1

    def test_of_many_processes_exactly_one_wins(self, folder):
        code = (
            "import sys; from infra.storage import Folder\n"
            f"sys.stdin.read(1); print(Folder({folder.url!r}).create('x', sys.argv[1].encode()))"
        )
        command = [sys.executable, "-c", code]
        started = [
            subprocess.Popen([*command, str(i)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for i in range(4)
        ]
        for process in started:
            process.stdin.write("1")
            process.stdin.flush()
        said = [process.communicate(timeout=60)[0].strip() for process in started]
        assert sorted(said) == ["False", "False", "False", "True"]
        assert folder.read("x") == b"%d" % said.index("True")

    @pytest.mark.parametrize("moment", ["fsync", "link"])
    def test_an_interrupted_creation_leaves_nothing(self, folder, monkeypatch, moment):
        with monkeypatch.context() as patch:
            patch.setattr(os, moment, raising(KeyboardInterrupt()))
            with pytest.raises(KeyboardInterrupt):
                folder.create("x", b"1")
        assert list(Path(folder.path).iterdir()) == []

    def test_a_killed_creator_leaves_nothing_that_counts(self, folder):
        code = (
            "import os; from infra.storage import Folder\n"
            f"os.link = lambda *_: os._exit(9)\nFolder({folder.url!r}).create('x', b'1')"
        )
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 9
        assert leftovers(folder), "the writer was not killed in the middle"
        assert folder.list() == {}
        assert folder.create("x", b"2") is True

    def test_a_disk_without_links_creates_by_a_rename(self, folder, monkeypatch):
        monkeypatch.setattr(os, "link", raising(PermissionError(errno.EPERM, "Operation not permitted")))
        assert folder.create("x", b"first") is True
        assert folder.create("x", b"second") is False
        assert folder.read("x") == b"first"
        assert leftovers(folder) == []

    def test_a_full_disk_is_told_in_one_line(self, folder, monkeypatch):
        monkeypatch.setattr(os, "link", raising(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(StorageError, match=r"can't write .*/x: no space left"):
            folder.create("x", b"1")


class TestReplace:
    def test_what_is_still_as_it_was_seen_is_replaced(self, place):
        place.write("x", b"one")
        seen = fingerprint(place.info("x"))
        assert place.replace("x", b"other", seen) is True
        assert place.read("x") == b"other"
        assert place.replace("x", b"late", seen) is False
        assert place.read("x") == b"other"

    def test_what_is_gone_is_not_put_back(self, place):
        place.write("x", b"one")
        seen = fingerprint(place.info("x"))
        place.delete("x")
        assert place.replace("x", b"other", seen) is False
        assert place.read_optional("x") is None

    def test_of_many_writers_one_wins(self, place):
        place.write("x", b"one")
        seen = fingerprint(place.info("x"))
        won = at_once(lambda i: place.replace("x", b"number %d" % i, seen))
        assert sum(won) == 1
        assert place.read("x") == b"number %d" % won.index(True)


VERBS = {
    "read": ("cat_file", lambda folder: folder.read("x")),
    "write": ("pipe_file", lambda folder: folder.write("x", b"1")),
    "delete": ("rm_file", lambda folder: folder.delete("x")),
    "look at": ("info", lambda folder: folder.info("x")),
    "list": ("find", lambda folder: folder.list()),
}

FAILURES = [
    (PermissionError(errno.EACCES, "Permission denied"), False, "no permission", "rights"),
    (OSError(errno.ENOSPC, "No space left on device"), False, "no space left", "free some space"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), False, "no space left", "free some space"),
    (OSError(errno.EIO, "Input/output error"), True, "Input/output error", "check the place"),
    (OSError(errno.EBUSY, "Please reduce your\nrequest rate"), True, "reduce your request rate", "check the place"),
    (ConnectionResetError("peer went away"), True, "peer went away", "check the place"),
    (TimeoutError(), True, "TimeoutError", "check the place"),
    (IsADirectoryError(errno.EISDIR, "Is a directory"), False, "Is a directory", "check the place"),
    (EndpointConnectionError(endpoint_url="http://s3"), True, "http://s3", "AWS_ENDPOINT_URL"),
    (ReadTimeoutError(endpoint_url="http://s3"), True, "http://s3", "the network"),
    (aiohttp.ServerDisconnectedError(), True, "disconnected", "check"),
    (aiohttp.ClientOSError(errno.ECONNREFUSED, "refused"), True, "refused", "the network"),
    (ConnectTimeoutError(endpoint_url="http://s3"), True, "http://s3", "the network"),
    (NoCredentialsError(), False, "credentials", "AWS_ACCESS_KEY_ID"),
]


class TestFailures:
    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize(
        ("failure", "transient", "reason", "mend"), FAILURES, ids=lambda value: type(value).__name__
    )
    def test_what_a_filesystem_raises_comes_out_in_one_line(self, monkeypatch, verb, failure, transient, reason, mend):
        method, act = VERBS[verb]
        place = Folder("memory://broken")
        monkeypatch.setattr(MemoryFileSystem, method, raising(failure))
        with pytest.raises(StorageError) as caught:
            act(place)
        text = str(caught.value)
        assert "\n" not in text
        assert text.startswith(f"can't {verb} memory://broken")
        assert reason in text
        assert mend in caught.value.mend
        assert caught.value.transient is transient
        assert caught.value.exit_status == 1

    def test_a_full_disk_is_named_and_leaves_the_old_object(self, folder, monkeypatch):
        folder.write("x", b"old")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", raising(OSError(errno.ENOSPC, "No space left on device")))
            with pytest.raises(StorageError, match="no space left; free some space") as caught:
                folder.write("x", b"new")
        assert folder.object_url("x") in str(caught.value)
        assert folder.read("x") == b"old"
        assert leftovers(folder) == []

    def test_a_folder_that_may_not_be_written_is_named(self, folder, monkeypatch):
        monkeypatch.setattr(os, "open", raising(PermissionError(errno.EACCES, "Permission denied")))
        with pytest.raises(StorageError, match="no permission") as caught:
            folder.write("x", b"new")
        assert folder.object_url("x") in str(caught.value)

    def test_a_folder_that_may_not_be_read_does_not_look_empty(self, folder, monkeypatch):
        folder.write("x", b"1")
        monkeypatch.setattr(os, "access", lambda *_: False)
        with pytest.raises(StorageError, match="no permission"):
            folder.list()

    def test_an_optional_read_hides_nothing_but_absence(self, folder, monkeypatch):
        monkeypatch.setattr(LocalFileSystem, "cat_file", raising(PermissionError(errno.EACCES, "Permission denied")))
        with pytest.raises(StorageError, match="no permission"):
            folder.read_optional("x")

    def test_a_folder_below_a_file_is_no_traceback(self, folder):
        folder.write("x", b"1")
        with pytest.raises(StorageError, match="can't write"):
            folder.write("x/y", b"1")

    def test_a_mistake_of_ours_is_not_dressed_up_as_a_storage_error(self, monkeypatch):
        monkeypatch.setattr(MemoryFileSystem, "cat_file", raising(ZeroDivisionError()))
        with pytest.raises(ZeroDivisionError):
            Folder("memory://place").read("x")

    @pytest.mark.parametrize("url", ["nonsense://bucket/x", "sftpp://host/x"])
    def test_an_unknown_protocol_is_bad_usage(self, url):
        with pytest.raises(ConfigurationError, match="names no place") as caught:
            Folder(url).read("x")
        assert url in str(caught.value)
        assert caught.value.exit_status == 2

    @pytest.mark.parametrize(
        "data", [b"", b"{", b"[]", b"\xff\xfe\x00", b'{"value": "many"}', b'{"other": 1}', b"[" * 5000]
    )
    def test_a_damaged_record_is_named_with_its_mend(self, place, data):
        place.write("n.json", data)
        with pytest.raises(DataError, match="remove it") as caught:
            place.load("n.json", Number)
        assert place.object_url("n.json") in str(caught.value)
        assert "Number" in str(caught.value)


class TestOnePlace:
    @pytest.mark.parametrize(
        ("outer", "inner", "held"),
        [
            ("/a/b", "/a/b", True),
            ("/a/b", "/a/b/", True),
            ("/a/b/", "/a/b/c/d", True),
            ("/a/b", "/a/bc", False),
            ("/a/b", "/a", False),
            ("/a/b", "/a/x/../b/c", True),
            ("/a/b", "file:///a/b/c", True),
            ("/", "/a", True),
            ("/a", "/", False),
            ("s3://bucket/a", "s3://bucket/a/b", True),
            ("s3://bucket/a", "s3://bucket/ab", False),
            ("s3://bucket", "s3://bucket/a", True),
            ("s3://bucket/", "s3a://bucket/a", True),
            ("s3://bucket", "s3://bucket2", False),
            ("memory://a", "memory://a/b", True),
            ("memory://a", "memory:///a/b", True),
            ("memory://a", "memory://ab", False),
            ("memory://a", "/a/b", False),
            ("/a", "s3://a/b", False),
        ],
    )
    def test_a_place_holds_itself_and_what_lies_in_it(self, outer, inner, held):
        assert Folder(outer).holds(Folder(inner)) is held

    def test_a_relative_path_is_the_place_that_it_means(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert Folder("a").identity() == Folder(str(tmp_path / "a")).identity()
        assert Folder(".").holds(Folder("a/b"))
        assert not Folder("a").holds(Folder("../a"))

    def test_a_link_is_the_place_that_it_leads_to(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        real, link = Folder(str(tmp_path / "real")), Folder(str(tmp_path / "link"))
        assert real.identity() == link.identity()
        assert real.holds(link.child("not/there/yet"))

    def test_a_home_folder_is_expanded(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        Folder("~/place").write("x", b"1")
        assert (tmp_path / "place" / "x").read_bytes() == b"1"
        assert Folder(str(tmp_path)).holds(Folder("~/place"))

    @settings(deadline=None)
    @given(st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1), st.lists(st.sampled_from(["a", "b"]), min_size=1))
    def test_a_child_is_held_and_its_parent_is_not(self, names, more):
        for scheme in ("/", "s3://", "memory://"):
            outer = Folder(scheme + "/".join(names))
            inner = outer.child("/".join(more))
            assert outer.holds(inner)
            assert not inner.holds(outer)


class TestFingerprint:
    def test_an_etag_goes_before_size_and_time(self):
        one = {"ETag": '"abc"', "size": 3, "mtime": 1.0}
        assert fingerprint(one) == fingerprint({**one, "mtime": 2.0})
        assert fingerprint(one) != fingerprint({**one, "ETag": '"abd"'})

    def test_without_an_etag_size_and_time_both_count(self, folder):
        folder.write("x", b"one")
        first = fingerprint(folder.info("x"))
        assert fingerprint(folder.info("x")) == first
        os.utime(folder.object_path("x"), ns=(1, 1_000_000_000))
        second = fingerprint(folder.info("x"))
        folder.write("x", b"other")
        os.utime(folder.object_path("x"), ns=(1, 1_000_000_000))
        third = fingerprint(folder.info("x"))
        assert len({first, second, third}) == 3

    def test_an_object_in_memory_has_one_too(self):
        place = Folder("memory://prints")
        place.write("x", b"one")
        first = fingerprint(place.info("x"))
        place.write("x", b"other")
        assert fingerprint(place.info("x")) != first


def test_a_hash_is_sha256_in_hex():
    assert sha256(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
