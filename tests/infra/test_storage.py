import errno
import os

import aiohttp
import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from infra.errors import ConfigurationError, DataError, StorageError
from infra.storage import Folder, fingerprint, sha256
from tests.infra.places import leftovers, raising


class Number(BaseModel):
    value: int


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
        monkeypatch.setattr(os, "scandir", raising(PermissionError(errno.EACCES, "Permission denied")))
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
