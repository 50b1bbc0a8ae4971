"""An object is there whole or not at all, and of several writers one wins."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import StorageError
from infra.storage import TEMPORARY, Folder, fingerprint
from tests.infra.places import ROOT, at_once, leftovers, raising


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

    @pytest.mark.parametrize("verb", ["write", "create"])
    @pytest.mark.parametrize("links", [True, False])
    def test_a_private_object_is_for_its_owner_alone_from_its_first_byte(self, folder, monkeypatch, verb, links):
        modes = []
        real = os.fsync
        monkeypatch.setattr(os, "fsync", lambda file: (modes.append(os.fstat(file).st_mode), real(file)))
        if not links:
            monkeypatch.setattr(os, "link", raising(PermissionError(errno.EPERM, "Operation not permitted")))
        getattr(folder, verb)("secret", b"1", private=True)
        modes.append(Path(folder.object_path("secret")).stat().st_mode)
        assert [stat.S_IMODE(mode) for mode in modes] == [0o600, 0o600]

    def test_an_object_has_the_rights_that_the_umask_leaves(self, folder):
        old = os.umask(0o027)
        try:
            folder.write("x", b"1")
        finally:
            os.umask(old)
        assert stat.S_IMODE(Path(folder.object_path("x")).stat().st_mode) == 0o640


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
