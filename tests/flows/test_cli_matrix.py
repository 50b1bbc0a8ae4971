"""What `evaluate` can ask of a copy besides plain training, on pictures of 16 pixels: through the command line."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_file
from torchvision.models import mobilenet_v3_small

from flows.cli import suites
from schemas.countermeasures import TIER_A, TIER_B
from schemas.evaluate import VictimRun
from tests.flows.cli_helpers import KEY, Said, unlearnable
from tests.tasks.rewrite.helpers import folder_source

KINDS = list(suites.COUNTERMEASURES)
NARROW = {"kind": "tiny", "widths": [4, 8, 8, 8], "recipe": {"epochs": 1, "batch_size": 8}}


class Lab:
    """Pictures of cats and dogs, protected copies of them, and evaluations with workspaces of their own."""

    def __init__(self, root):
        self.root = root
        self.clean = folder_source(root / "clean", per_class=12, side=16)
        self.test = folder_source(root / "test", per_class=6, side=16, first=100)
        self.config = root / "narrow.yaml"
        self.config.write_text(yaml.safe_dump({"victims": [NARROW]}))

    def protect(self, name, *more):
        """A copy called `name`, under random noise."""
        command = ("protect", self.clean, self.root / name, "--workspace", self.root / f"{name}-private")
        assert unlearnable(*command, "--method", "random", *more).status == 0

    def evaluate(self, copy, workspace, *more, config=None) -> Said:
        command = ("evaluate", self.root / copy, "--clean", self.clean, "--test", self.test)
        told = ("--config", config or self.config, "--seeds", 1, "--device", "cpu", "--json")
        return unlearnable(*command, "--workspace", workspace, *told, *more)

    def refuse(self, copy, workspace, *more):
        """The error of an evaluation that is bad usage, and before which nothing was trained."""
        said = self.evaluate(copy, workspace, *more)
        assert (said.status, said.out) == (2, "")
        assert not (workspace / "evaluate").exists()
        assert not (workspace / "reports").exists()
        return said.error


@pytest.fixture(scope="module")
def lab(prefect_server, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNLEARNABLE_KEY", KEY)
        found = Lab(tmp_path_factory.mktemp("lab"))
        found.protect("whole", "--form", "class-wise", "--epsilon", 16)
        found.protect("partly", "--form", "sample-wise", "--fraction", 0.5)
    return found


def runs(workspace):
    """The records of all runs of a workspace."""
    return [VictimRun.model_validate_json(path.read_text()) for path in (workspace / "evaluate").glob("*.json")]


def frame(said):
    return pd.read_parquet(Path(said.json["report"]).with_name("results.parquet"))


@pytest.fixture(scope="module")
def suite_said(lab, tmp_path_factory):
    """One run of each countermeasure that there is, both suites among them."""
    names = ",".join(["tier-a", "tier-b", *KINDS])
    return lab.evaluate("whole", tmp_path_factory.mktemp("suites"), "--countermeasures", names)


@pytest.fixture(scope="module")
def parts_said(lab, tmp_path_factory):
    """All parts of a partly protected copy."""
    return lab.evaluate("partly", tmp_path_factory.mktemp("parts"), "--parts", "all,protected,clean")


class TestCountermeasures:
    def test_each_is_trained_with_on_the_copy_and_on_the_clean_pictures(self, suite_said):
        assert suite_said.status == 0, suite_said
        every = {each.name for each in (*TIER_A, *TIER_B)} | {suites.COUNTERMEASURES[kind]().name for kind in KINDS}
        rows = [(row["method"], row["countermeasure"]) for row in suite_said.json["results"]]
        assert sorted(rows) == sorted((method, name) for method in ("none", "random") for name in every)
        for row in suite_said.json["results"]:
            assert 0 <= row["test_accuracy"] <= row["peak_test_accuracy"] <= 100
            assert 0 <= row["train_accuracy"] <= 100
        assert not frame(suite_said)["diverged"].any()

    def test_early_stopping_is_plain_training_at_its_best(self, suite_said):
        for method in ("none", "random"):
            rows = {row["countermeasure"]: row for row in suite_said.json["results"] if row["method"] == method}
            assert rows["early-stopping"]["test_accuracy"] == rows["none"]["peak_test_accuracy"]

    def test_the_report_names_each(self, suite_said):
        text = Path(suite_said.json["report"]).with_suffix(".md").read_text()
        assert [each.name for each in (*TIER_A, *TIER_B) if each.name not in text] == []


class TestParts:
    def test_each_part_is_a_row(self, parts_said):
        assert parts_said.status == 0, parts_said
        rows = [(row["method"], row["part"]) for row in parts_said.json["results"]]
        assert sorted(rows) == [("none", "all"), ("random", "all"), ("random", "clean"), ("random", "protected")]
        assert all(list(row)[-2:] == ["variant", "part"] for row in parts_said.json["results"])

    def test_the_protected_and_the_clean_pictures_are_all_of_them(self, parts_said):
        samples = frame(parts_said).query("method == 'random'").set_index("part")["samples"]
        assert samples["all"] == samples["protected"] + samples["clean"] == 24
        assert samples["protected"] > 0
        assert samples["clean"] > 0

    def test_a_copy_that_is_protected_whole_has_no_parts(self, lab, tmp_path):
        assert "no copy is partly protected" in lab.refuse("whole", tmp_path / "w", "--parts", "protected,clean")

    def test_a_part_that_does_not_exist_is_refused(self, lab, tmp_path):
        assert "parts" in lab.refuse("partly", tmp_path / "w", "--parts", "some")


class TestPairs:
    @pytest.fixture
    def file(self, tmp_path):
        lines = ["key_a\tkey_b\tsame", "cat_100\tcat_101\t1", "cat_100\tdog_101\t0", "dog_102\tdog_103\t1"]
        (tmp_path / "pairs.tsv").write_text("\n".join(lines))
        return tmp_path / "pairs.tsv"

    def test_victims_are_asked_who_is_who(self, lab, file, tmp_path):
        said = lab.evaluate("whole", tmp_path / "w", "--pairs", file, "--pairs-pictures", lab.test)
        assert said.status == 0, said
        asked = [run.verification for run in runs(tmp_path / "w")]
        assert [(each.pairs, each.same) for each in asked] == [(3, 2)] * 2
        assert all(0 <= each.auc <= 1 for each in asked)

    def test_a_key_that_is_not_there_is_refused(self, lab, file, tmp_path):
        file.write_text(file.read_text() + "\ncat_100\tcat_999\t1\n")
        error = lab.refuse("whole", tmp_path / "w", "--pairs", file, "--pairs-pictures", lab.test)
        assert f"line 5 of pairs file {file} names cat_999, which {lab.test} does not hold" in error

    @pytest.mark.parametrize(
        ("option", "needle"),
        [("--pairs", "--pairs-pictures"), ("--pairs-pictures", "--pairs"), ("--pairs-split", "--pairs")],
    )
    def test_the_one_without_the_other_is_refused(self, lab, tmp_path, option, needle):
        assert needle in lab.refuse("whole", tmp_path / "w", option, "test")


class TestBackdoor:
    def test_each_victim_is_shown_the_noise(self, lab, tmp_path):
        said = lab.evaluate("whole", tmp_path / "w", "--backdoor")
        assert said.status == 0, said
        for run in runs(tmp_path / "w"):
            (found,) = run.backdoor
            assert found.pictures == 12
            assert 0 <= found.success <= 100

    def test_a_copy_without_class_wise_noise_is_refused(self, lab, tmp_path):
        assert "class-wise" in lab.refuse("partly", tmp_path / "w", "--backdoor")


class TestRuns:
    def test_a_victim_that_diverges_is_recorded_and_does_not_stop_the_matrix(self, lab, tmp_path):
        wild = {"kind": "tiny", "recipe": {"epochs": 2, "batch_size": 8, "lr": 1e30}}
        (tmp_path / "wild.yaml").write_text(yaml.safe_dump({"victims": [wild, NARROW]}))
        said = lab.evaluate("whole", tmp_path / "w", config=tmp_path / "wild.yaml")
        assert said.status == 0, said
        diverged = frame(said).groupby("victim")["diverged"].agg(list).to_dict()
        assert diverged == {"tiny": [True, True], "tiny-w4-8-8-8": [False, False]}
        json.loads(said.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

    @pytest.mark.parametrize("memory", ["resident", "streamed"])
    def test_pictures_may_lie_in_memory_or_not(self, lab, tmp_path, memory):
        said = lab.evaluate("whole", tmp_path / "w", "--memory", memory, "--countermeasures", "grayscale")
        assert said.status == 0, said
        assert [run.samples for run in runs(tmp_path / "w")] == [24, 24]

    def test_pretrained_weights_come_from_a_file(self, lab, tmp_path):
        torch.manual_seed(0)
        save_file(mobilenet_v3_small(weights=None).state_dict(), tmp_path / "weights.safetensors")
        chosen = ("--victims", "linear-probe", "--epochs", 1, "--backbone", "mobilenet_v3_small")
        said = lab.evaluate("whole", tmp_path / "w", *chosen, "--weights", tmp_path / "weights.safetensors")
        assert said.status == 0, said
        assert {row["victim"] for row in said.json["results"]} == {"linear-probe-mobilenet_v3_small"}

    def test_options_change_the_victims_of_the_file(self, lab, tmp_path):
        said = lab.evaluate("whole", tmp_path / "w", "--epochs", 2)
        assert {(row["victim"], row["epochs"]) for row in said.json["results"]} == {("tiny-w4-8-8-8", 2)}

    @pytest.mark.parametrize(
        ("more", "needles"),
        [
            (("--countermeasures", "none,cutout-17"), ("cutout-17", " 17 ", "16")),
            (("--countermeasures", "tier-a,blur-6"), ("blur-6", " 19 ")),
            (("--victims", "tiny,vgg11"), ("vgg11", " 32 ", "16")),
            (("--victims", "inception-resnet-v1"), ("inception-resnet-v1", "16")),
            (("--victims", "tiny,tiny"), ("tiny", "more than once")),
            (("--victims", "fine-tuned", "--weights", "nowhere.pt"), ("nowhere.pt", "--weights")),
            (("--victims", "fine-tuned", "--backbone", "resnet19"), ("resnet19", "resnet18")),
        ],
    )
    def test_what_can_not_be_done_is_refused_before_anything_is_trained(self, lab, tmp_path, more, needles):
        error = lab.refuse("whole", tmp_path / "w", *more)
        assert [needle for needle in needles if needle not in error] == []
