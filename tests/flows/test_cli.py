"""The command line: what it prints where, how it ends, and what it takes from options and files."""

import csv
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from prefect.settings import get_current_settings

from flows.status import JobStatus
from schemas.plan import JobPlan
from tests.flows.cli_helpers import KEY, Places, Said, failing_writes, tree, unlearnable
from tests.tasks.shard.helpers import picture, shard

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).parent / "unlearnable"
COMMANDS = ("demo", "plan", "protect", "verify", "evaluate", "status", "report")
PROTECT_KEYS = {
    "samples",
    "protected",
    "quarantined",
    "shards",
    "skipped_shards",
    "max_abs_change",
    "seconds",
    "destination",
    "workspace",
}
RESULT_KEYS = {
    "dataset",
    "method",
    "form",
    "epsilon",
    "fraction",
    "victim",
    "countermeasure",
    "seed",
    "test_accuracy",
    "peak_test_accuracy",
    "train_accuracy",
    "epochs",
    "seconds",
}
HOSTILE = (
    "$(touch pwned); `id`",
    "<img src=x onerror=alert(1)>",
    "قطة",
    "new\nline",
    "-rf *",
    "| a | **b** | \x1b[31m",
)


@pytest.fixture
def cli(prefect_server, monkeypatch):
    monkeypatch.setenv("UNLEARNABLE_KEY", KEY)
    return unlearnable


@pytest.fixture
def places(tmp_path):
    found = Places(tmp_path)
    found.put("a.tar", shard(4))
    found.put("b.tar", shard(4, first=4))
    return found


def environment(folder: Path, server: str | None = None) -> dict[str, str]:
    """Of a process with a Prefect home of its own, and with a server of its own unless one is named."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    address = {} if server is None else {"PREFECT_API_URL": server}
    return {**plain, **address, "PREFECT_HOME": str(folder / "prefect"), "UNLEARNABLE_KEY": KEY, "OMP_NUM_THREADS": "1"}


def process(*arguments: object, cwd: Path, server: str | None = None) -> Said:
    """The installed script, in a process of its own."""
    command = [SCRIPT, *map(str, arguments)]
    plain = environment(cwd, server)
    done = subprocess.run(command, cwd=cwd, env=plain, capture_output=True, text=True, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


class TestHelp:
    def test_help_lists_every_command(self, tmp_path):
        said = process("--help", cwd=tmp_path)
        assert (said.status, said.err) == (0, "")
        assert [name for name in COMMANDS if f"\n  {name} " not in said.out] == []

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_has_help_of_its_own(self, command):
        said = unlearnable(command, "--help")
        assert (said.status, said.err) == (0, "")
        assert f"unlearnable {command} " in said.out
        assert "--json" in said.out

    def test_a_bare_call_shows_the_help(self):
        said = unlearnable()
        assert said.status == 2
        assert "protect" in said.out + said.err
        assert "error:" not in said.err

    def test_version_is_one_line(self):
        said = unlearnable("--version")
        assert (said.status, said.err) == (0, "")
        assert said.out.startswith("unlearnable ")
        assert said.out.count("\n") == 1

    def test_the_command_line_imports_nothing_that_is_slow(self):
        code = "import sys, flows.cli.main; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        imported = set(done.stdout.split())
        assert "typer" in imported
        slow = {"torch", "prefect", "pandas", "numpy", "cv2", "matplotlib", "pyarrow", "s3fs", "sklearn", "webdataset"}
        assert imported & slow == set()


class TestOwnProcess:
    def test_a_bad_argument_is_one_line_and_status_2(self, tmp_path):
        said = process("protect", "a", "b", "--workspace", "w", "--epsilon", "0", cwd=tmp_path)
        assert (said.status, said.out) == (2, "")
        assert "budget.epsilon" in said.error
        assert said.err.count("\n") == 1
        assert tree(tmp_path) == {}

    def test_protect_prints_one_object_and_no_word_of_prefects(self, prefect_server, places):
        server = get_current_settings().api.url
        assert server
        said = process(*places.protect, "--json", cwd=places.root, server=server)
        assert said.status == 0, said
        assert said.json["protected"] == 8
        assert "rewrite: 2 shards" in said.err


class TestProtect:
    def test_json_has_the_stable_keys_and_numbers_that_are_true(self, cli, places):
        said = cli(*places.protect, "--json")
        assert said.status == 0
        found = said.json
        assert found.keys() >= PROTECT_KEYS
        assert (found["samples"], found["protected"], found["quarantined"]) == (8, 8, 0)
        assert (found["shards"], found["skipped_shards"]) == (2, 0)
        assert 0 < found["max_abs_change"] <= 8
        assert (found["destination"], found["workspace"]) == (str(places.destination), str(places.workspace))
        again = cli(*places.protect, "--json").json
        assert (again["skipped_shards"], again["protected"]) == (2, 8)

    def test_progress_goes_to_stderr(self, cli, places):
        said = cli(*places.protect, "--json")
        assert [line.partition(":")[0] for line in said.err.splitlines()] == [
            stage for stage in ("index", "fit", "rewrite") for _ in range(2)
        ]
        assert "index: 2 shards" in said.err.splitlines()

    def test_without_json_it_tells_a_person_what_was_done_and_what_comes_next(self, cli, places):
        said = cli(*places.protect)
        assert said.status == 0
        assert "8 of 8 pictures protected in 2 shards" in said.out
        assert f"Next: unlearnable verify {places.destination} --clean" in said.out
        again = cli(*places.protect)
        assert "2 done before" in again.out

    @pytest.mark.parametrize("form", ["yaml", "json"])
    def test_a_file_gives_fields_and_options_go_before_it(self, cli, places, form):
        fields = {
            "method": {"kind": "random", "form": "class-wise"},
            "budget": {"epsilon": 3},
            "coverage": {"classes": ["1"]},
            "source": {"url": "nowhere", "max_bad_share": 0.5},
            "workers": 1,
        }
        write = json.dumps if form == "json" else yaml.safe_dump
        (places.root / f"config.{form}").write_text(write(fields))
        command = places.arguments("protect", "--config", places.root / f"config.{form}", "--json")
        found = cli(*command).json
        assert (found["protected"], found["max_abs_change"]) == (4, 3)
        found = cli(*command, "--epsilon", 2, "--form", "sample-wise").json
        assert (found["protected"], found["max_abs_change"]) == (4, 2)
        protection = json.loads((places.destination / "manifest.json").read_text())["protection"]
        assert (protection["epsilon"], protection["form"], protection["classes"]) == (2, "sample-wise", ["1"])

    def test_debug_adds_the_traceback_and_keeps_the_line(self, cli, places):
        said = cli(*places.arguments("protect", "--epsilon", 0, "--debug"))
        assert said.status == 2
        assert "Traceback" in said.err
        assert said.err.splitlines()[-1].startswith("error: budget.epsilon")

    def test_what_nobody_foresaw_is_one_line_too(self, cli, places, monkeypatch):
        def fail(*_):
            raise RuntimeError("first\nsecond")

        monkeypatch.setattr("flows.status.look", fail)
        said = cli("status", places.workspace)
        assert said.status == 1
        assert "unexpected RuntimeError: first second; run it again with --debug" in said.error


class TestVerify:
    @pytest.fixture
    def command(self, cli, places):
        assert cli(*places.protect).status == 0
        return ("verify", places.destination, "--clean", places.source)

    def test_a_good_destination_passes(self, cli, command):
        said = cli(*command, "--json")
        assert said.status == 0
        assert set(said.json) == {"ok", "samples", "max_abs_change", "max_l2", "problems"}
        assert (said.json["ok"], said.json["samples"], said.json["problems"]) == (True, 8, [])
        assert 0 < said.json["max_abs_change"] <= 8
        assert cli(*command).out.startswith("ok: 8 samples")

    @pytest.mark.parametrize("how", ["byte", "missing", "stranger"])
    def test_a_tampered_destination_fails_and_says_where(self, cli, places, command, how):
        target = places.destination / "b.tar"
        if how == "byte":
            data = bytearray(target.read_bytes())
            data[600] ^= 1
            target.write_bytes(data)
        elif how == "missing":
            target.unlink()
        else:
            (places.destination / "b.tar.txt").write_text("not ours")
        said = cli(*command, "--json")
        assert said.status == 1
        assert said.json["ok"] is False
        assert any("b.tar" in problem for problem in said.json["problems"])
        told = cli(*command)
        assert told.status == 1
        assert "NOT ok" in told.out

    def test_a_change_beyond_the_budget_is_found_though_the_manifest_was_made_to_fit(self, cli, places, command):
        path = places.destination / "manifest.json"
        path.write_text(path.read_text().replace('"epsilon": 8', '"epsilon": 1'))
        said = cli(*command, "--json")
        assert said.status == 1
        assert any("more than the budget of 1/255" in problem for problem in said.json["problems"])

    def test_what_is_no_destination_is_an_error(self, cli, places):
        said = cli("verify", places.destination, "--clean", places.source, "--json")
        assert (said.status, said.out) == (1, "")
        assert f"{places.destination} has no manifest.json" in said.error
        assert "run protect again" in said.error


class TestPlan:
    @pytest.fixture
    def quick(self, tmp_path_factory):
        """Options of a probe that takes no time."""
        file = tmp_path_factory.mktemp("config") / "quick.json"
        file.write_text('{"method": {"widths": [4, 4, 4, 4], "model_steps": 1, "steps": 1, "perturb_steps": 1}}')
        return "--config", file

    def test_json_has_what_would_be_done_and_nothing_is_written(self, cli, places, quick):
        before = tree(places.root)
        said = cli(*places.arguments("plan", "--json", *quick))
        assert said.status == 0
        found = said.json
        assert set(found) == set(JobPlan.model_fields)
        assert (found["shards"], found["samples"], found["done_shards"], found["format"]) == (2, 8, 0, "webdataset")
        assert found["bytes_in"] > 0
        assert found["bytes_out"] > 0
        assert tree(places.root) == before
        assert not places.workspace.exists()
        assert not places.destination.exists()

    def test_it_counts_what_is_done_and_touches_nothing_of_it(self, cli, places, quick):
        assert cli(*places.protect).status == 0
        before = {path: path.stat().st_mtime_ns for path in places.root.rglob("*")}
        said = cli(*places.arguments("plan", *quick))
        assert said.status == 0
        assert "2 shards are rewritten already" in said.out
        assert {path: path.stat().st_mtime_ns for path in places.root.rglob("*")} == before

    def test_the_embedded_digits_are_counted_without_a_workspace(self, cli, places, quick):
        found = cli("plan", "digits", places.destination, "--limit", 30, "--json", *quick).json
        assert (found["samples"], found["format"], found["exact"]) == (30, "digits", True)
        assert found["fit_seconds"] > 0

    def test_a_workspace_in_the_file_counts(self, cli, places):
        assert cli(*places.protect).status == 0
        file = places.root / "config.json"
        file.write_text(json.dumps({"workspace": str(places.workspace), "method": {"kind": "random"}}))
        found = cli("plan", places.source, places.destination, "--config", file, "--json").json
        assert found["done_shards"] == 2


def evaluate(places: Places) -> tuple[object, ...]:
    """Arguments of the quickest evaluation of protected digits."""
    command = ("evaluate", places.destination, "--clean", "digits", "--test", "digits")
    return (*command, "--workspace", places.workspace, "--epochs", 1, "--seeds", 1)


@pytest.fixture(scope="module")
def done(prefect_server, tmp_path_factory):
    """Digits protected and evaluated once: (places, what evaluate said)."""
    places = Places(tmp_path_factory.mktemp("digits"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLEARNABLE_KEY", KEY)
        command = ("protect", "digits", places.destination, "--workspace", places.workspace, "--limit", 60)
        assert unlearnable(*command, "--method", "random", "--epsilon", 5).status == 0
        return places, unlearnable(*evaluate(places), "--json")


class TestEvaluate:
    def test_json_has_the_stable_keys(self, done):
        _, said = done
        assert said.status == 0
        assert set(said.json) == {"results", "report"}
        assert [set(row) >= RESULT_KEYS for row in said.json["results"]] == [True, True]
        assert Path(said.json["report"]).is_file()
        assert said.err.splitlines()[-1].startswith("evaluate: 2 epochs in ")

    def test_accuracies_are_in_percent(self, done):
        _, said = done
        for row in said.json["results"]:
            right = row["test_accuracy"] * 450 / 100
            assert right == pytest.approx(round(right), abs=0.03)
            assert 0 < row["test_accuracy"] <= row["peak_test_accuracy"] <= 100
        assert max(row["test_accuracy"] for row in said.json["results"]) > 1

    def test_the_clean_baseline_has_method_none(self, done):
        _, said = done
        clean, protected = said.json["results"]
        assert (clean["method"], clean["form"], clean["epsilon"]) == ("none", "none", 0)
        assert (protected["method"], protected["form"], protected["epsilon"]) == ("random", "sample-wise", 5)
        for row in (clean, protected):
            assert (row["dataset"], row["victim"], row["countermeasure"]) == ("digits", "tiny", "none")
            assert (row["seed"], row["epochs"]) == (0, 1)

    def test_without_json_it_prints_the_table_the_verdict_and_the_report(self, cli, done):
        said = cli(*evaluate(done[0]))
        assert said.status == 0
        assert "Accuracy on clean test pictures" in said.out
        assert f"Report: {done[0].workspace}/reports/" in said.out.splitlines()[-1]

    def test_status_tells_where_the_job_stands(self, cli, done):
        places, _ = done
        found = cli("status", places.workspace, "--json").json
        assert set(found) == set(JobStatus.model_fields)
        assert (found["published"], found["source"], found["samples"]) == (True, "digits", 60)
        assert (found["rewritten_shards"], found["protected"]) == (1, 60)
        assert found["reports"] >= 1
        assert "rewritten    1 shards, 60 samples protected" in cli("status", places.workspace).out

    def test_report_lists_and_exports(self, cli, done, tmp_path):
        places, said = done
        name = Path(said.json["report"]).parent.name
        listed = cli("report", places.workspace, "--json").json
        assert listed[name]["rows"] == 2
        assert listed[name]["report"] == said.json["report"]
        assert name in cli("report", places.workspace).out
        assert set(cli("report", places.workspace, name, "--json").json) == {name}
        exported = cli("report", places.workspace, name, "--export", tmp_path / "new" / "folder", "--json")
        assert exported.status == 0
        original = places.workspace / "reports" / name
        for file in ("report.html", "report.md", "results.csv"):
            assert (tmp_path / "new" / "folder" / file).read_bytes() == (original / file).read_bytes()

    def test_an_unknown_report_is_bad_usage(self, cli, done):
        said = cli("report", done[0].workspace, "yesterday")
        assert said.status == 2
        assert "no report called yesterday" in said.error
        assert "there is 2" in said.error

    def test_a_folder_that_can_not_be_written_is_bad_usage(self, cli, done, tmp_path):
        (tmp_path / "file").write_text("in the way")
        said = cli("report", done[0].workspace, "--export", tmp_path / "file")
        assert said.status == 2
        assert f"can't export to {tmp_path / 'file'}" in said.error


@pytest.mark.parametrize("command", ["status", "report"])
@pytest.mark.parametrize("kind", ["missing", "empty", "somebody's"])
def test_what_is_no_workspace_is_bad_usage(cli, tmp_path, command, kind):
    place = tmp_path / "place"
    if kind != "missing":
        place.mkdir()
    if kind == "somebody's":
        (place / "notes.txt").write_text("hello")
    before = tree(tmp_path)
    said = cli(command, place)
    assert (said.status, said.out) == (2, "")
    assert str(place) in said.error
    assert tree(tmp_path) == before


class TestHostileNames:
    @pytest.fixture
    def hostile(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        found = Places(tmp_path)
        for number, name in enumerate(HOSTILE):
            for i in range(4):
                found.put_bytes(f"{name}/{i}.png", picture(10 * number + i))
        (tmp_path / "<b>data").symlink_to(found.source)
        return found

    def test_they_go_through_protect_evaluate_and_report(self, cli, hostile):
        source = hostile.root / "<b>data"
        command = ("protect", source, hostile.destination, "--workspace", hostile.workspace, "--method", "random")
        said = cli(*command, "--form", "class-wise", "--json")
        assert said.status == 0, said
        assert said.json["protected"] == 4 * len(HOSTILE)
        manifest = json.loads((hostile.destination / "manifest.json").read_text())
        assert len(set(manifest["dataset"]["class_names"])) == len(HOSTILE)
        assert all(name.isprintable() for name in manifest["dataset"]["class_names"])
        assert "قطة" in manifest["dataset"]["class_names"]
        with tarfile.open(hostile.destination / "train-000000.tar") as archive:
            assert [name for name in archive.getnames() if not name.isascii() or set(name) & set("/ $<>\n")] == []

        command = ("evaluate", hostile.destination, "--clean", source, "--test", source, "--workspace")
        said = cli(*command, hostile.workspace, "--epochs", 1, "--seeds", 1, "--json")
        assert said.status == 0, said
        assert [row["dataset"] for row in said.json["results"]] == ["<b>data"] * 2
        report = Path(said.json["report"])
        html = report.read_text()
        assert "&lt;b&gt;data" in html
        assert "<b>data" not in html
        assert "<img src=x" not in html
        with (report.parent / "results.csv").open() as file:
            assert [len(set(map(len, list(csv.reader(file)))))] == [1]
        listed = cli("report", hostile.workspace)
        assert listed.out.isascii() or "\x1b" not in listed.out
        assert listed.out.count("\n") == 2
        assert not (hostile.root / "pwned").exists()

    def test_they_break_no_line_of_an_error(self, cli, hostile):
        command = (*hostile.protect, "--classes", "<x>\nerror: forged\x1b[31m")
        said = cli(*command)
        assert said.status == 2
        assert "--classes names <x> error: forged\\x1b[31m, which the dataset does not have" in said.error
        assert "\x1b" not in said.err

    def test_a_class_can_be_chosen_by_its_hostile_name(self, cli, hostile):
        said = cli(*hostile.protect, "--classes", "<img src=x onerror=alert(1)>,قطة", "--json")
        assert (said.status, said.json["protected"]) == (0, 8)


class TestInterrupt:
    def test_an_interrupted_run_ends_in_one_line_and_the_next_one_finishes(self, cli, places, monkeypatch):
        for i in range(3):
            places.put(f"c{i}.tar", shard(4, first=8 + 4 * i))
        whole = Places(places.root / "unbroken")
        whole.root.mkdir()
        whole.source.symlink_to(places.source)
        assert cli(*whole.protect).status == 0

        before = tree(places.source)
        with monkeypatch.context() as patch:
            interrupted = failing_writes(patch, places.destination, signal.SIGINT, after=1)
            said = cli(*places.protect)
        assert interrupted == ["b.tar"]
        assert (said.status, said.out) == (130, "")
        assert said.error == "error: interrupted; run the same command again to go on from here"
        assert tree(places.source) == before
        assert not (places.destination / "manifest.json").exists()
        kept = places.published()
        assert kept.keys() >= {"a.tar"}
        assert kept == {name: whole.published()[name] for name in kept}

        again = cli(*places.protect, "--json")
        assert (again.status, again.json["skipped_shards"], again.json["protected"]) == (0, len(kept), 20)
        assert places.published() == whole.published()

    def test_ctrl_c_on_a_terminal_does_not_reach_the_server_that_the_run_has_started(self, tmp_path):
        """Were the server gone, the run would try to tell it of the interruption, and fail as if the network were."""
        command = [SCRIPT, "protect", "digits", tmp_path / "protected", "--workspace", tmp_path / "private"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment(tmp_path), start_new_session=True, **streams
        ) as running:
            assert running.stderr is not None
            said = []
            for line in running.stderr:
                said.append(line)
                if line.startswith("fit: "):
                    os.killpg(running.pid, signal.SIGINT)
                    break
            out, rest = running.communicate()
        found = Said(running.returncode, out, "".join(said) + rest)
        assert (found.status, found.out) == (130, ""), found
        assert found.error.startswith("error: interrupted; run the same command again")
