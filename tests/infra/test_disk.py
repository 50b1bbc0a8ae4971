"""What lies on a disk: links are followed, nothing is left out in silence."""

import errno
import os

import pytest

from infra.errors import StorageError
from infra.storage import Folder, fingerprint
from tasks.shard.sources.listing import look
from tests.infra.places import raising


@pytest.fixture
def linked(tmp_path):
    """A folder whose files lie elsewhere."""
    away, here = tmp_path / "away", tmp_path / "here"
    (away / "cat").mkdir(parents=True)
    (away / "cat" / "1.png").write_bytes(b"one")
    (away / "2.png").write_bytes(b"second")
    (here / "dog").mkdir(parents=True)
    (here / "cat").symlink_to(away / "cat")
    (here / "dog" / "2.png").symlink_to(away / "2.png")
    return here


def test_links_to_files_and_folders_are_followed(linked):
    found = Folder(str(linked)).list()
    assert {name: info["size"] for name, info in found.items()} == {"cat/1.png": 3, "dog/2.png": 6}
    for name in found:
        assert fingerprint(found[name]) == fingerprint(Folder(str(linked)).info(name))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*/*.png", ["cat/1.png", "dog/2.png"]),
        ("**/*.png", ["cat/1.png", "dog/2.png"]),
        ("**/1.png", ["cat/1.png"]),
        ("cat/*.png", ["cat/1.png"]),
        ("cat/[0-9].png", ["cat/1.png"]),
        ("d?g/?.png", ["dog/2.png"]),
        ("*.png", []),
    ],
)
def test_a_glob_follows_them_too(linked, pattern, names):
    (linked / "dog" / "loop").symlink_to(linked)
    found = look(f"{linked}/{pattern}")
    assert [f"{found.folder.url}/{name}" for name in found.files] == [f"{linked}/{name}" for name in names]
    assert found.whole == (not names)


def test_a_glob_looks_no_deeper_than_it_names(linked, monkeypatch):
    seen, real = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: seen.append(str(path)) or real(path))
    (linked / "a.tar").write_bytes(b"1")
    assert list(look(f"{linked}/*.tar").files) == ["a.tar"]
    assert [path.rstrip("/") for path in seen] == [str(linked)]


def test_a_relative_glob_is_one_too(linked, monkeypatch):
    monkeypatch.chdir(linked)
    for pattern in ("*/*.png", "./*/*.png", f"../{linked.name}/*/*.png"):
        assert len(look(pattern).files) == 2, pattern


def test_one_folder_by_two_names_is_in_both(linked, tmp_path):
    (linked / "lynx").symlink_to(tmp_path / "away" / "cat")
    assert {"cat/1.png", "lynx/1.png"} <= Folder(str(linked)).list().keys()


@pytest.mark.parametrize("where", ["loop", "dog/loop", "dog/deeper/loop"])
def test_a_link_back_ends(linked, where):
    (linked / where).parent.mkdir(exist_ok=True)
    (linked / where).symlink_to(linked)
    assert list(Folder(str(linked)).list()) == ["cat/1.png", "dog/2.png"]


def test_a_link_to_nowhere_is_heard_of_by_who_reads_it(linked):
    (linked / "dog" / "3.png").symlink_to(linked / "nothing")
    (linked / "dog" / "4.png").symlink_to(linked / "dog" / "4.png")
    found = Folder(str(linked))
    assert {"dog/3.png", "dog/4.png"} <= found.list().keys()
    for name in ("dog/3.png", "dog/4.png"):
        with pytest.raises(StorageError, match=name):
            found.read(name)


def test_what_is_no_file_is_left_out(linked):
    os.mkfifo(linked / "dog" / "pipe")
    (linked / "dog" / "pipe-too").symlink_to(linked / "dog" / "pipe")
    assert list(Folder(str(linked)).list()) == ["cat/1.png", "dog/2.png"]


def test_a_folder_below_that_may_not_be_read_is_named(linked, monkeypatch):
    real = os.scandir

    def scandir(path):
        return raising(PermissionError(errno.EACCES, "no"))() if str(path).rstrip("/").endswith("dog") else real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(StorageError, match="folder dog can't be read"):
        Folder(str(linked)).list()


@pytest.mark.parametrize("name", ["lost+found", ".Trash-0"])
def test_a_folder_of_the_system_that_may_not_be_read_is_left_out(linked, monkeypatch, name):
    (linked / name).mkdir()
    real = os.scandir

    def scandir(path):
        return raising(PermissionError(errno.EACCES, "no"))() if str(path).rstrip("/").endswith(name) else real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert list(Folder(str(linked)).list()) == ["cat/1.png", "dog/2.png"]


def test_a_folder_that_goes_away_under_us_holds_nothing(linked, monkeypatch):
    real = os.scandir

    def scandir(path):
        return raising(FileNotFoundError())() if str(path).rstrip("/").endswith("dog") else real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert list(Folder(str(linked)).list()) == ["cat/1.png"]
