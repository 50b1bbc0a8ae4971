"""`evaluate`, `status` and `report` on the command line."""

import json
from pathlib import Path

import pytest

from flows.status import JobStatus
from tests.flows.cli_helpers import KEY, Places, refuse, tree, unlearnable
from tests.tasks.rewrite.helpers import folder_source
from tests.tasks.shard.helpers import picture

SIDES = ("left", "right")
QUICK = ("--epochs", 1, "--seeds", 1)

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


def evaluate(places: Places) -> tuple[object, ...]:
    """Arguments of the quickest evaluation of protected digits."""
    command = ("evaluate", places.destination, "--clean", "digits", "--test", "digits")
    return (*command, "--workspace", places.workspace, *QUICK)


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
        report, following = said.out.splitlines()[-2:]
        assert report.startswith(f"Report: {done[0].workspace}/reports/")
        assert following == f"Next: unlearnable report {done[0].workspace} --serve"

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


def test_samples_of_several_pictures_are_read_alike_for_training_and_for_the_test(cli, places):
    test = Places(places.root / "test")
    for place, name, first in ((places, "a.tar", 0), (places, "b.tar", 8), (test, "c.tar", 16)):
        keys = [f"s{i:02d}" for i in range(first, first + 8)]
        sides = [(f"{key}.{side}.png", picture(int(key[1:]) + (side == "right"))) for key in keys for side in SIDES]
        labels = [(f"{key}.cls", b"%d" % (i % 2)) for i, key in enumerate(keys)]
        place.put(name, sorted([*sides, *labels]))
    assert cli(*places.protect, "--image-field", "left.png").status == 0
    command = ("evaluate", places.destination, "--clean", places.source, "--test", test.source)
    said = cli(*command, "--workspace", places.workspace, *QUICK, "--image-field", "left.png", "--json")
    assert said.status == 0, said
    assert len(said.json["results"]) == 2


def test_training_pictures_are_no_test_pictures(cli, done, tmp_path):
    command = ("evaluate", done[0].destination, "--clean", "digits", "--test", "digits", "--test-split", "train")
    said = cli(*command, "--workspace", tmp_path / "w", *QUICK)
    assert (said.status, said.out) == (2, "")
    assert "the test pictures at digits are training pictures too" in said.error
    assert not (tmp_path / "w" / "evaluate").exists()


class TestConfigurationFile:
    """What a file states holds where no option says otherwise."""

    @pytest.fixture
    def command(self, done, tmp_path):
        """An evaluation whose file states victims and the split of the test pictures, of a tree that has two."""
        for split, first, count in (("val", 0, 6), ("test", 50, 3)):
            digits = tuple(str(digit) for digit in range(10))
            folder_source(tmp_path / "digits" / split, per_class=count, classes=digits, first=first)
        narrow = {"kind": "tiny", "widths": [4, 8, 8, 8], "recipe": {"epochs": 5, "batch_size": 16}}
        file = tmp_path / "config.json"
        file.write_text(json.dumps({"victims": [narrow], "test": {"split": "val", "limit": 50}, "seeds": 2}))
        places, _ = done
        given = ("evaluate", places.destination, "--clean", "digits", "--test", tmp_path / "digits", "--json")
        return (*given, "--workspace", tmp_path / "w", "--config", file)

    def test_an_option_changes_what_it_names_and_no_more(self, cli, command, tmp_path):
        rows = cli(*command, "--epochs", 1).json["results"]
        assert {(row["victim"], row["epochs"]) for row in rows} == {("tiny-w4-8-8-8", 1)}
        assert {row["seed"] for row in rows} == {0, 1}
        (record, *_) = [json.loads(path.read_text()) for path in (tmp_path / "w" / "evaluate").glob("*.json")]
        assert record["test_samples"] == 50

    def test_a_split_on_the_command_line_wins(self, cli, command, tmp_path):
        assert cli(*command, "--epochs", 1, "--seeds", 1, "--test-split", "nowhere").status != 0
        said = cli(*command, "--epochs", 1, "--seeds", 1, "--victims", "tiny", "--test-split", "test")
        assert said.json["results"][0]["victim"] == "tiny"
        (record, *_) = [json.loads(path.read_text()) for path in (tmp_path / "w" / "evaluate").glob("*.json")]
        assert record["test_samples"] == 30


class TestBadUsage:
    @pytest.mark.parametrize(
        ("more", "needles"),
        [
            (("--recipe", "mnist"), ("victims.0.tiny.recipe.family", "cifar10", "mnist")),
            (("--victims", "resnet19"), ("no victim is called resnet19", "did you mean resnet18?")),
            (("--victims", ","), ("victims",)),
            (("--countermeasures", "jpg-10"), ("no countermeasure is called jpg-10", "did you mean jpeg-10?")),
            (("--countermeasures", "tier-d"), ("no countermeasure is called tier-d", "did you mean tier-")),
            (("--countermeasures", ","), ("countermeasures",)),
            (("--parts", "all,some"), ("parts.1", "some", "protected")),
            (("--memory", "disk"), ("memory", "disk", "streamed")),
            (("--weights", "file.pt"), ("--weights", "linear-probe, fine-tuned")),
            (("--victims", "tiny", "--backbone", "resnet50"), ("--backbone", "linear-probe, fine-tuned")),
            (("--pairs", "pairs.tsv"), ("--pairs-pictures",)),
            (("--pairs-pictures", "digits"), ("--pairs",)),
        ],
    )
    def test_it_is_refused_before_anything_is_started(self, cli, places, more, needles):
        refuse(cli, places, 2, *needles, command=(*evaluate(places), *more))
        assert not places.workspace.exists()


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
