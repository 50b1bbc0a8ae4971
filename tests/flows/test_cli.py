"""The command line: what it prints where, how it ends, and what it takes from options and files."""

import itertools
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings

from flows.cli.protect import tell
from schemas.base import Schema
from schemas.dataset import SourceSpec
from schemas.noise import ErrorMaximizing, ErrorMinimizing
from schemas.plan import JobPlan
from schemas.protect import ProtectConfig, ProtectSummary
from tests.flows.cli_helpers import process, tree, unlearnable

ROOT = Path(__file__).parents[2]

COMMANDS = ("demo", "plan", "protect", "verify", "evaluate", "status", "inspect", "report")
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


@pytest.fixture
def places(two_shards):
    return two_shards


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
        slow = {"torch", "prefect", "pandas", "numpy", "cv2", "altair", "pyarrow", "s3fs", "sklearn", "webdataset"}
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

    def test_a_server_gets_the_log_that_the_console_is_spared(self, prefect_server, places):
        server = get_current_settings().api.url
        said = process(*places.protect, cwd=places.root, server=server)
        assert said.status == 0, said
        assert "2 shards" in said.err
        with get_client(sync_client=True) as client:
            told = [line.message for line in client.read_logs(limit=200)]
        assert f"{places.source}: webdataset, 2 shards" in told
        assert "a.tar: 4 samples, 4 protected" in " ".join(told)
        assert "webdataset" not in said.err


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
        stages = [line.partition(":")[0] for line in said.err.splitlines()]
        assert [stage for stage, _ in itertools.groupby(stages)] == ["index", "fit", "rewrite"]
        assert min(Counter(stages).values()) >= 2, "each begins and ends; how much is said between depends on its time"
        assert "index: 2 shards" in said.err.splitlines()

    def test_without_json_it_tells_a_person_what_was_done_and_what_comes_next(self, cli, places):
        said = cli(*places.protect)
        assert said.status == 0
        assert "8 of 8 pictures protected in 2 shards" in said.out
        assert f"Next: unlearnable verify {places.destination} --clean" in said.out
        again = cli(*places.protect)
        assert "2 done before" in again.out

    @pytest.mark.parametrize("form", ["yaml", "json"])
    def test_a_file_gives_fields_and_options_take_precedence(self, cli, places, form):
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

    @pytest.mark.parametrize(
        ("method", "stopped", "advice"),
        [
            (ErrorMinimizing(), "at-cap", "Raise --max-rounds, or --fit-samples."),
            (ErrorMinimizing(procedure="joint"), "at-cap", "Raise --max-rounds."),
            (ErrorMinimizing(), "diverged", "Give method.lr a smaller value in a --config file."),
            (ErrorMaximizing(form="class-wise"), "at-cap", "Raise --max-rounds, or --fit-samples."),
            (ErrorMaximizing(), "at-cap", "Raise --epsilon, or method.steps in a --config file."),
        ],
        ids=lambda each: f"{each.kind} {each.form}" if isinstance(each, Schema) else "",
    )
    def test_a_weak_fit_is_told_with_what_helps_its_method(self, capsys, method, stopped, advice):
        numbers = dict.fromkeys(("samples", "protected", "shards", "max_abs_change"), 1)
        names = dict.fromkeys(("destination", "workspace", "noise"), "a")
        ended = {"noise_error": 0.3, "converged": False, "stopped": stopped}
        config = ProtectConfig(source=SourceSpec(url="in"), destination="a", workspace="w", method=method)
        tell(ProtectSummary(**numbers, **names, **ended, quarantined=0, skipped_shards=0, seconds=1), config)
        told = capsys.readouterr().out
        assert "WARNING: the fit " in told
        assert ("diverged" in told) is (stopped == "diverged")
        assert " 30.0 % error, short of its target" in told
        assert f"\n{advice} The report of an evaluation will say so too.\n" in told


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

    def test_it_counts_what_is_done_and_touches_nothing_of_it(self, cli, places):
        assert cli(*places.protect).status == 0
        before = {path: path.stat().st_mtime_ns for path in places.root.rglob("*")}
        said = cli(*places.arguments("plan", "--method", "random"))
        assert said.status == 0
        assert "2 of 2 shards are indexed, 2 are rewritten" in said.out
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
