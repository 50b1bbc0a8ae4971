"""Looking ahead: `plan` takes every option of `protect`, and counts what the fit would see."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from flows import plan as module
from flows.cli.main import app
from flows.plan import look_ahead
from infra.errors import DataError
from schemas.dataset import SourceSpec
from schemas.matching import Matching
from schemas.noise import ErrorMinimizing
from schemas.protect import ProtectConfig
from tests.flows.cli_helpers import Places, sample
from tests.tasks.shard.helpers import picture

ROOT = Path(__file__).parents[2]
QUICK = ErrorMinimizing(widths=(4, 4, 4, 4), model_steps=1, steps=1, perturb_steps=1, batch_size=8)


def options_of(command):
    group = typer.main.get_command(app)
    return {option for each in group.commands[command].params for option in each.opts}


def labelled(place, shards, classes):
    """Shards of six pictures of so many classes."""
    found = Places(place)
    for number in range(shards):
        members = [sample(f"{number}{i}", str(i % classes), picture(10 * number + i)) for i in range(6)]
        found.put(f"train-{number:06d}.tar", list(itertools.chain(*members)))
    return found


@pytest.fixture
def seen(monkeypatch):
    """Pictures and classes of the fit whose memory was asked for."""
    found = []

    def needed(method, samples, size, classes):
        found.append((samples, classes))
        return 0

    monkeypatch.setattr(module.memory, "needed", needed)
    return found


def config(places, **changes):
    known = {"source": SourceSpec(url=str(places.source)), "workspace": str(places.workspace), "device": "cpu"}
    return ProtectConfig(**{**known, "destination": str(places.destination), "method": QUICK, **changes})


def test_it_takes_every_option_of_protect():
    assert options_of("plan") == options_of("protect")


def test_it_looks_without_prefect():
    code = "import sys, flows.plan; print('prefect' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_line_of_protects_can_be_told_in_advance(cli, tmp_path):
    places, public = labelled(tmp_path, 2, 2), labelled(tmp_path / "public", 1, 3)
    more = ("--epsilon", 12, "--norm", "l2", "--patch", 4, "--max-rounds", 1, "--fit-samples", 6, "--workers", 1)
    public_data = ("--public", public.source, "--matching", "context", "--classes", "0", "--fraction", 0.5)
    (tmp_path / "small.yaml").write_text("method: {widths: [4, 4, 4, 4], model_steps: 1}")
    small = ("--source-model", "tiny", "--config", tmp_path / "small.yaml")
    said = cli(*places.arguments("plan", *more, *public_data, *small, "--json"))
    assert said.status == 0, said.err
    assert (said.json["samples"], said.json["shards"]) == (12, 2)
    assert not places.destination.exists()
    assert not places.workspace.exists()


def test_what_protect_refuses_is_refused(cli, tmp_path):
    places = labelled(tmp_path, 1, 2)
    said = cli(*places.arguments("plan", "--procedure", "joint", "--public", places.source))
    assert said.status == 2
    assert "use --procedure two-phase" in said.error


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (12, 2)),
        ({"public": True}, (18, 3)),
        ({"public": True, "matching": Matching(how="context")}, (30, 5)),
        ({"public": True, "method": QUICK.model_copy(update={"fit_samples": 10})}, (10, 3)),
    ],
    ids=["private", "public", "context", "bounded"],
)
def test_it_counts_the_pictures_and_classes_that_the_fit_would_see(tmp_path, seen, changes, expected):
    places, public = labelled(tmp_path, 2, 2), labelled(tmp_path / "public", 3, 3)
    if "public" in changes:
        changes = {**changes, "public": SourceSpec(url=str(public.source))}
    found = look_ahead(config(places, **changes))
    assert seen == [expected]
    assert (found.samples, found.shards) == (12, 2), "what is rewritten is the private data"


def test_a_public_dataset_without_a_picture_is_named(tmp_path):
    places, public = labelled(tmp_path, 1, 2), Places(tmp_path / "public")
    public.put("train-000000.tar", sample("a", "0", b"")[1:])
    with pytest.raises(DataError, match=f"{public.source} has no good picture"):
        look_ahead(config(places, public=SourceSpec(url=str(public.source))))


class TestWhatIsDone:
    """A plan skips what a run would skip, by its markers, and writes nothing."""

    @pytest.fixture
    def done(self, cli, tmp_path):
        """A protected dataset of two shards, and a call of `plan` that gives what it counts as done."""
        (tmp_path / "small.yaml").write_text(
            "method: {widths: [4, 4, 4, 4], model_steps: 1, steps: 1, perturb_steps: 1, batch_size: 8, max_rounds: 1}"
        )
        places = labelled(tmp_path, 2, 2)
        assert cli(*places.arguments("protect", "--config", tmp_path / "small.yaml")).status == 0

        def plan(*more):
            before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
            said = cli(*places.arguments("plan", "--config", tmp_path / "small.yaml", *more, "--json"))
            assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
            return said.json

        return places, plan

    def test_all_of_it_costs_nothing(self, done):
        _, plan = done
        found = plan()
        assert (found["indexed_shards"], found["fit_done"], found["done_shards"]) == (2, True, 2)
        for left in ("bytes_in", "bytes_out", "index_seconds", "fit_seconds", "fit_bytes", "rewrite_seconds"):
            assert found[left] == 0, left

    @pytest.mark.parametrize(
        ("more", "expected"),
        [
            (("--epsilon", 4), (2, False, 0)),
            (("--form", "class-wise"), (2, False, 0)),
            (("--fraction", 0.5), (2, True, 0)),
            (("--workers", 1), (2, True, 2)),
            (("--max-pixels", 10_000), (0, False, 0)),
        ],
        ids=["epsilon", "form", "coverage", "workers", "what a good picture is"],
    )
    def test_a_changed_setting_does_again_what_depends_on_it(self, done, more, expected):
        _, plan = done
        found = plan(*more)
        assert (found["indexed_shards"], found["fit_done"], found["done_shards"]) == expected
        assert (found["rewrite_seconds"] > 0) == (expected[2] == 0)

    def test_another_key_makes_other_noise(self, done, monkeypatch):
        _, plan = done
        monkeypatch.setenv("UNLEARNABLE_KEY", "another secret")
        found = plan()
        assert (found["indexed_shards"], found["fit_done"], found["done_shards"]) == (2, False, 0)

    def test_a_new_shard_costs_only_itself(self, done):
        places, plan = done
        members = [sample(f"2{i}", str(i % 2), picture(70 + i)) for i in range(6)]
        places.put("train-000002.tar", list(itertools.chain(*members)))
        found = plan()
        assert (found["shards"], found["samples"], found["exact"]) == (3, 18, False)
        assert (found["indexed_shards"], found["fit_done"], found["done_shards"]) == (2, True, 2)
        whole = plan("--epsilon", 4)
        assert found["bytes_out"] * 3 == pytest.approx(whole["bytes_out"], rel=0.01)

    @pytest.mark.parametrize("spelled", ["./{name}", "{name}/", "{whole}/", "file://{whole}"])
    def test_a_source_that_is_spelled_otherwise_is_the_same(self, done, cli, monkeypatch, spelled):
        places, _ = done
        monkeypatch.chdir(places.source.parent)
        named = spelled.format(name=places.source.name, whole=places.source)
        more = ("--workspace", places.workspace, "--config", places.source.parent / "small.yaml", "--json")
        found = cli("plan", named, places.destination, *more).json
        assert (found["indexed_shards"], found["fit_done"], found["done_shards"]) == (2, True, 2)

    def test_a_mapping_of_a_class_that_is_not_indexed_yet_is_no_error(self, done, cli, tmp_path):
        places, plan = done
        public = labelled(tmp_path / "public", 1, 3)
        (tmp_path / "map.yaml").write_text("{'0': '0', '1': '1'}")
        more = ("--public", public.source, "--mapping", tmp_path / "map.yaml")
        small = ("--config", tmp_path / "small.yaml")
        assert cli(*places.arguments("protect", *small, *more)).status == 0
        assert plan(*more)["done_shards"] == 2
        places.put("train-000002.tar", [*sample("x0", "2", picture(80)), *sample("x1", "0", picture(81))])
        (tmp_path / "map.yaml").write_text("{'0': '0', '1': '1', '2': '2'}")
        found = plan(*more)
        assert (found["shards"], found["indexed_shards"], found["done_shards"]) == (3, 2, 0)
        (tmp_path / "map.yaml").write_text("{'0': '0', '1': '1', 'fox': '2'}")
        assert cli(*places.arguments("protect", *small, *more)).status == 2

    def test_a_record_of_another_version_is_no_error(self, done):
        places, plan = done
        (places.workspace / "dataset" / "manifest.json").write_text('{"schema_version": 99}')
        assert plan()["indexed_shards"] == 2

    def test_a_copy_that_is_damaged_is_done_again(self, done):
        places, plan = done
        (places.destination / "train-000001.tar").write_bytes(b"cut")
        found = plan()
        assert (found["indexed_shards"], found["fit_done"], found["done_shards"]) == (2, True, 1)

    def test_noise_that_is_damaged_is_fitted_again(self, done):
        places, plan = done
        (file,) = (places.workspace / "noise").glob("*/fitted.safetensors")
        file.write_bytes(b"cut")
        assert plan()["fit_done"] is False
