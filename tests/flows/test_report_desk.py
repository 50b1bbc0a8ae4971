"""The reports of a workspace: listed, filtered, compared, drawn again, and served on this machine alone."""

import json
import signal
import subprocess
import urllib.request

import pytest
from fastapi.testclient import TestClient

from flows.cli.serve import desk
from infra.errors import StorageError
from infra.storage import Folder
from tasks.report.write import write_report
from tests.flows.cli_helpers import SCRIPT, environment
from tests.tasks.report.helpers import context, grid_of_runs, protected_set, seeds

HOSTILE = '<script>alert("x")</script>'
MONDAY, TUESDAY = "20261123-020000-aaaa", "20261124-020000-bbbb"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Two reports: one of a copy that is undone, one of a copy that holds, whose title is hostile."""
    place = tmp_path_factory.mktemp("desk") / "private"
    told = context(protected=(protected_set(),), settings={"seeds": 3})
    write_report(Folder(f"{place}/reports/{MONDAY}"), grid_of_runs(jpeg=70.0), told, {}, {})
    other = told.model_copy(update={"title": HOSTILE, "settings": {"seeds": 5}})
    write_report(Folder(f"{place}/reports/{TUESDAY}"), grid_of_runs(jpeg=15.0), other, {}, {})
    return str(place)


@pytest.fixture
def browser(workspace):
    return TestClient(desk(workspace), base_url="http://127.0.0.1")


class TestList:
    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ((), [MONDAY, TUESDAY]),
            (("--judgement", "undone"), [MONDAY]),
            (("--judgement", "holds"), [TUESDAY]),
            (("--search", "undone by JPEG-10"), [MONDAY]),
            (("--search", "<script>"), [TUESDAY]),
            (("--since", "2020-01-01"), [MONDAY, TUESDAY]),
        ],
    )
    def test_reports_are_listed_as_asked_for(self, cli, workspace, asked, found):
        assert list(cli("report", workspace, *asked, "--json").json) == found
        lines = cli("report", workspace, *asked).out.splitlines()
        assert [line.split()[0] for line in lines[::2]] == found

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            (("--since", "9999-01-01"), "has no such report; ask for less"),
            (("--since", "yesterday"), "--since yesterday is no day; write it as"),
            (("--judgement", "good"), "--judgement good is none; give holds, partly, undone, unknown"),
            (("20261125-020000-cccc",), f"has no report called 20261125-020000-cccc; there is {MONDAY}, {TUESDAY}"),
        ],
    )
    def test_what_is_not_there_is_said_in_one_line(self, cli, workspace, asked, said):
        found = cli("report", workspace, *asked)
        assert (found.status, found.out) == (2, "")
        assert said in found.error


class TestCompare:
    def test_two_are_set_side_by_side(self, cli, workspace):
        said = cli("report", workspace, MONDAY, "--compare", TUESDAY, "--json").json
        assert (said["first"], said["second"]) == (MONDAY, TUESDAY)
        assert said["settings"] == [{"Setting": "seeds", MONDAY: "3", TUESDAY: "5"}]
        (row,) = [row for row in said["cells"] if row["Said"] == "lower"]
        assert (row["Countermeasure"], row["Difference"], row["Spread"]) == ("jpeg-10", "-55.00", "1.41")
        text = cli("report", workspace, MONDAY, "--compare", TUESDAY).out
        assert "1 differs by more than the spread: 1 lower in the second." in text

    def test_damaged_tables_are_one_line(self, cli, workspace, tmp_path):
        target = tmp_path / "private" / "reports"
        target.parent.mkdir()
        target.symlink_to(f"{workspace}/reports")
        copied = tmp_path / "copy"
        subprocess.run(["cp", "-r", workspace, copied], check=True)
        (copied / "reports" / MONDAY / "results.parquet").write_bytes(b"no table")
        for more in (("--compare", TUESDAY), ("--redraw",)):
            said = cli("report", copied, MONDAY, *more)
            assert (said.status, said.out) == (1, "")
            assert "results.parquet can't be read as Parquet" in said.error


def test_a_report_is_drawn_again(cli, workspace, tmp_path):
    copied = tmp_path / "copy"
    subprocess.run(["cp", "-r", workspace, copied], check=True)
    page = copied / "reports" / MONDAY / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert cli("report", copied, MONDAY, "--redraw").status == 0
    # It tells where it lies, and nothing of it is in the page.
    assert page.read_bytes() == before


class TestServe:
    def test_the_index_lists_what_is_there_and_names_stay_text(self, browser):
        page = browser.get("/")
        assert page.status_code == 200
        assert "script-src &#39;sha256-" in page.text
        for name in (MONDAY, TUESDAY):
            assert f'<a href="{name}/report.html">{name}</a>' in page.text
        assert "&lt;script&gt;alert" in page.text
        assert HOSTILE not in page.text

    def test_files_are_served_as_they_lie(self, browser, workspace):
        folder = Folder(f"{workspace}/reports/{MONDAY}")
        for name, media in (
            ("report.html", "text/html"),
            ("report.md", "text/markdown"),
            ("results.csv", "text/csv"),
            ("results.parquet", "application/vnd.apache.parquet"),
        ):
            found = browser.get(f"/{MONDAY}/{name}")
            assert (found.status_code, found.content) == (200, folder.read(name))
            assert found.headers["content-type"].startswith(media)

    def test_two_are_compared(self, browser):
        page = browser.get("/compare", params={"first": MONDAY, "second": TUESDAY})
        assert page.status_code == 200
        assert "1 differs by more than the spread" in page.text

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            (f"/{MONDAY}/report.json", 404),
            (f"/{MONDAY}/../../secret.key", 404),
            (f"/{MONDAY}/%2e%2e%2f%2e%2e%2fsecret.key", 404),
            ("/..%2f/report.html", 404),
            ("/nothing/report.html", 404),
            ("/compare?first=a&second=b", 404),
            ("/compare?first=../a&second=b", 422),
            ("/docs", 404),
        ],
    )
    def test_nothing_else_is(self, browser, path, status):
        assert browser.get(path).status_code == status

    def test_a_name_of_another_host_reads_nothing(self, workspace):
        assert TestClient(desk(workspace), base_url="http://evil.example").get("/").status_code == 400

    def test_a_damaged_report_is_said_and_the_others_are_there(self, workspace, tmp_path):
        copied = tmp_path / "copy"
        subprocess.run(["cp", "-r", workspace, copied], check=True)
        (copied / "reports" / MONDAY / "results.parquet").write_bytes(b"no table")
        browser = TestClient(desk(str(copied)), base_url="http://127.0.0.1")
        found = browser.get("/compare", params={"first": MONDAY, "second": TUESDAY})
        assert found.status_code == 500
        assert "can't be read as Parquet" in found.json()["error"]
        assert browser.get("/").status_code == 200

    def test_it_is_served_on_this_machine_until_ctrl_c(self, workspace, tmp_path):
        command = [SCRIPT, "report", workspace, "--serve", "--port", "0"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path), **streams) as running:
            try:
                assert running.stdout is not None
                line = running.stdout.readline()
                address = line.split()[-4]
                assert address.startswith("http://127.0.0.1:"), line
                with urllib.request.urlopen(address) as page:
                    assert MONDAY in page.read().decode()
                running.send_signal(signal.SIGINT)
                _, rest = running.communicate(timeout=60)
            finally:
                running.kill()  # nothing outlives a failed test
        assert (running.returncode, rest) == (0, "")

    def test_a_port_that_is_taken_is_named(self, cli, workspace):
        import socket

        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            said = cli("report", workspace, "--serve", "--port", port)
        assert (said.status, said.out) == (2, "")
        assert f"port {port} can't be listened on" in said.error


def test_a_list_has_the_verdict_on_every_copy(cli, tmp_path):
    runs = [*grid_of_runs(jpeg=15.0), *seeds("random", "none", 88.0, 89.0, 90.0)]
    told = context(protected=(protected_set(), protected_set(method="random")))
    write_report(Folder(f"{tmp_path}/private/reports/{MONDAY}"), runs, told, {}, {})
    first, second, where = cli("report", tmp_path / "private").out.splitlines()
    assert first.startswith(f"{MONDAY}  15 runs  Error-minimizing noise (sample-wise, 8/255) holds")
    assert second == "  Random noise (sample-wise, 8/255): undone; tiny reaches 89.00 % under none"
    assert where.endswith("/report.html")


def test_a_report_that_another_version_wrote_is_named_and_hides_no_other(cli, workspace, tmp_path):
    copied = tmp_path / "copy"
    subprocess.run(["cp", "-r", workspace, copied], check=True)
    (copied / "reports" / MONDAY / "report.json").write_text('{"schema_version": 99}')
    said = cli("report", copied)
    assert said.status == 0, said
    assert [line.split()[0] for line in said.out.splitlines()[::2]] == [MONDAY, TUESDAY]
    assert "This report can't be read" in said.out
    assert TestClient(desk(str(copied)), base_url="http://127.0.0.1").get("/").status_code == 200


def test_the_report_that_is_opened_lies_in_the_workspace_that_is_named(cli, workspace, tmp_path, monkeypatch):
    (tmp_path / "moved").symlink_to(workspace)
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.chdir(tmp_path)
    assert cli("report", "moved", MONDAY, "--open").status == 0
    assert opened == [(tmp_path / "moved" / "reports" / MONDAY / "report.html").resolve().as_uri()]


def test_a_redraw_that_is_interrupted_leaves_the_report_where_it_was(cli, workspace, tmp_path, monkeypatch):
    copied = tmp_path / "copy"
    subprocess.run(["cp", "-r", workspace, copied], check=True)

    def full(folder, name, data, private=False):
        raise StorageError(f"can't write {name}: no space left", "free some space and run it again")

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", full)
        assert cli("report", copied, MONDAY, "--redraw").status == 1
    assert list(cli("report", copied, "--json").json) == [MONDAY, TUESDAY]
    assert cli("report", copied, MONDAY, "--redraw").status == 0


def test_what_is_printed_after_a_redraw_is_what_was_drawn(cli, workspace, tmp_path):
    copied = tmp_path / "copy"
    subprocess.run(["cp", "-r", workspace, copied], check=True)
    record = copied / "reports" / MONDAY / "report.json"
    old = json.loads(record.read_text())
    record.write_text(json.dumps({**old, "verdict": "of an earlier version", "judged": []}))
    found = cli("report", copied, MONDAY, "--redraw", "--json").json
    assert found[MONDAY]["verdict"] == old["verdict"]
    assert len(found[MONDAY]["judged"]) == 1


def test_serving_prints_no_json(cli, workspace):
    said = cli("report", workspace, "--serve", "--json")
    assert (said.status, said.out) == (2, "")
