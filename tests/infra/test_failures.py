"""What failed is kept with its reason and its log, until it is done."""

import pytest

from infra import failures
from infra.errors import DataError, StorageError
from infra.storage import Folder


@pytest.fixture
def workspace(tmp_path):
    return Folder(str(tmp_path))


def fail(workspace, error, *lines):
    with pytest.raises(type(error)):
        work(workspace, error, lines)


def work(workspace, error, lines):
    with failures.kept(workspace, "rewrite", "a.tar"):
        for line in lines:
            failures.hear(line)
        raise error


def test_a_failure_is_kept_with_its_reason_and_its_log(workspace):
    fail(workspace, DataError("shard a.tar is odd", "mend it"), "reading", "half\x1b[2J done")
    (found,) = failures.listed(workspace)
    assert (found.stage, found.item, found.kind, found.tries) == ("rewrite", "a.tar", "DataError", 1)
    assert found.reason == "shard a.tar is odd; mend it"
    assert found.log == ("reading", "half\\x1b[2J done")


def test_work_that_is_done_stays_done_when_the_place_refuses_to_forget(workspace, monkeypatch):
    def refuse(folder, name):
        raise StorageError("can't delete it", "wait")

    monkeypatch.setattr(Folder, "delete", refuse)
    with failures.kept(workspace, "rewrite", "a.tar"):
        pass


def test_tries_are_counted_and_the_last_one_is_told(workspace):
    for i in range(3):
        fail(workspace, StorageError(f"try {i}", "wait"))
    (found,) = failures.listed(workspace)
    assert (found.tries, found.reason) == (3, "try 2; wait")


def test_an_error_that_nobody_foresaw_tells_where_it_broke_off_and_no_value(workspace):
    secret = "a value of a variable"  # noqa: F841 - it must not be found
    fail(workspace, ZeroDivisionError())
    (found,) = failures.listed(workspace)
    assert found.reason == "ZeroDivisionError"
    assert "test_failures.py" in found.log[-1]
    assert " in work" in found.log[-1]
    assert "a value of a variable" not in found.model_dump_json()


def test_success_forgets_it(workspace):
    fail(workspace, DataError("odd", "mend it"))
    with failures.kept(workspace, "rewrite", "a.tar"):
        pass
    assert failures.listed(workspace) == []


def test_those_of_the_datasets_are_listed_and_all_are_cleared(workspace):
    for place in (workspace, workspace.child("dataset"), workspace.child("public")):
        fail(place, DataError("odd", "mend it"))
    assert len(failures.listed(workspace)) == 3
    failures.clear(workspace)
    assert failures.listed(workspace) == []


def test_lines_of_one_piece_of_work_do_not_reach_another(workspace):
    fail(workspace, DataError("odd", "mend it"), "mine")
    failures.hear("nobody's")
    with pytest.raises(DataError), failures.kept(workspace, "rewrite", "b.tar"):
        raise DataError("odd", "mend it")
    assert [one.log for one in failures.listed(workspace)] == [("mine",), ()]


def test_a_workspace_that_can_not_be_written_to_does_not_hide_the_error(tmp_path):
    (tmp_path / "file").write_bytes(b"no folder")
    fail(Folder(str(tmp_path / "file")), DataError("the first error", "mend it"))
