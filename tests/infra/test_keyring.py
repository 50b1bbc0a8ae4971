import secrets
import stat
from pathlib import Path
from threading import Barrier

import pytest

from infra.errors import ConfigurationError
from infra.keyring import FILE, VARIABLE, load_key
from infra.storage import Folder
from tests.infra.places import at_once


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def workspace(tmp_path):
    return Folder(str(tmp_path / "workspace"))


@pytest.fixture(params=["disk", "memory"])
def place(request, tmp_path):
    return str(tmp_path / "workspace") if request.param == "disk" else f"memory://keyring-{tmp_path.name}"


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key.txt"
    path.write_text("key of the file\n")
    return str(path)


def test_the_variable_goes_before_the_file_the_block_and_the_workspace(workspace, key_file, monkeypatch):
    kept = load_key(workspace, None)
    block = load_key(workspace, None, "key of the block")
    file = load_key(workspace, key_file, "key of the block")
    monkeypatch.setenv(VARIABLE, "key of the variable")
    variable = load_key(workspace, key_file, "key of the block")
    assert [variable.secret, file.secret, block.secret] == [
        b"key of the variable",
        b"key of the file",
        b"key of the block",
    ]
    assert len(kept.secret) == 64


def test_a_given_key_is_not_written_to_the_workspace(workspace, key_file):
    load_key(workspace, key_file)
    load_key(workspace, None, "key of the block")
    assert workspace.list() == {}


def test_a_key_is_made_once_and_kept(workspace):
    first = load_key(workspace, None)
    assert load_key(workspace, None) == first
    assert load_key(Folder(workspace.url), None) == first


def test_first_runs_that_start_together_have_one_key(place, monkeypatch):
    """Each has found none before any has kept one."""
    count, drawn = 4, Barrier(4)
    real = secrets.token_hex
    monkeypatch.setattr(secrets, "token_hex", lambda size: (drawn.wait(timeout=30), real(size))[1])
    keys = at_once(lambda _: load_key(Folder(place), None).secret, count)
    assert len(set(keys)) == 1
    assert Folder(place).read(FILE).strip() == keys[0]


def test_two_workspaces_have_two_keys(tmp_path):
    keys = {load_key(Folder(str(tmp_path / name)), None).fingerprint for name in ("a", "b")}
    assert len(keys) == 2


def test_only_its_owner_can_read_the_kept_key(workspace):
    load_key(workspace, None)
    assert stat.S_IMODE(Path(workspace.object_path(FILE)).stat().st_mode) == 0o600


def test_a_key_is_kept_in_a_bucket_as_well():
    workspace = Folder("memory://keyring")
    first = load_key(workspace, None)
    assert load_key(workspace, None) == first


def test_white_space_around_a_key_does_not_count(workspace, monkeypatch):
    monkeypatch.setenv(VARIABLE, "  the same key \n")
    assert load_key(workspace, None).secret == b"the same key"


@pytest.mark.parametrize("text", ["", "short", "       7       "])
def test_a_key_that_is_too_short_is_refused_wherever_it_comes_from(workspace, tmp_path, monkeypatch, text):
    path = tmp_path / "short.txt"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"short\.txt has fewer than 8"):
        load_key(workspace, str(path))
    with pytest.raises(ConfigurationError, match="block has fewer than 8"):
        load_key(workspace, None, text)
    workspace.write(FILE, text.encode())
    with pytest.raises(ConfigurationError, match=FILE):
        load_key(workspace, None)
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ConfigurationError, match=VARIABLE):
        load_key(workspace, None)


def test_a_message_on_a_short_key_does_not_show_it(workspace):
    with pytest.raises(ConfigurationError) as caught:
        load_key(workspace, None, "hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_key_file_that_cannot_be_read_is_bad_usage(workspace, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01" * 8)
    for path in (tmp_path / "missing", tmp_path, tmp_path / "binary", "~no-such-user/key", "a\0b"):
        with pytest.raises(ConfigurationError, match="can't be read"):
            load_key(workspace, str(path))
