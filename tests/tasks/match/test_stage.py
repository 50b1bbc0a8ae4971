import json

import pytest

from infra import progress
from infra.errors import ConfigurationError
from infra.orchestration import CACHED
from infra.storage import Folder
from schemas.coverage import Coverage
from schemas.matching import Mapping, Matching
from schemas.protect import ProtectConfig
from tasks.match import stage, visual
from tests.tasks.match.helpers import QUICK, dataset

PUBLIC = {"across": 0, "slant": 1, "down": 2}
VISUAL = Matching(how="visual", training=QUICK)


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    return dataset(str(tmp_path_factory.mktemp("private")), {"x": 2, "y": 0, "z": 1}, each=6, seed=1)


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    return dataset(str(tmp_path_factory.mktemp("public")), PUBLIC)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    """The same in every run: a key that the workspace makes is another each time, and so would the scores be."""
    monkeypatch.setenv("UNLEARNABLE_KEY", "a key for the tests")


@pytest.fixture
def lines(monkeypatch):
    heard = []
    monkeypatch.setattr(stage, "log", heard.append)
    monkeypatch.setattr(progress, "say", heard.append)
    return heard


@pytest.fixture
def trainings(monkeypatch):
    """One entry each time that an embedder is made."""
    made, embedder = [], visual.embedder
    monkeypatch.setattr(visual, "embedder", lambda *arguments: made.append(1) or embedder(*arguments))
    return made


def config(workspace, private, public, matching=VISUAL, **changes):
    fields = {"source": private.source, "destination": f"{workspace}/out", "workspace": f"{workspace}/work"}
    known = {"public": public.source if public else None, "matching": matching, "device": "cpu"}
    return ProtectConfig(**fields, **known, **changes)


def run(asked, private, public):
    """The mapping, and whether the stage found it done."""
    result = stage.match_classes.fn(asked, private, public)
    return (result, False) if isinstance(result, Mapping) else (result.data, result.name == CACHED)


def stored(asked):
    return Folder(asked.workspace).load("match/mapping.json", Mapping)


def pairs(mapping):
    return [(match.private, match.public) for match in mapping.matches]


def warnings(lines):
    return [line for line in lines if line.startswith("warning: ")]


def test_classes_are_matched_by_sight_and_the_mapping_is_written(private, public, tmp_path, lines):
    asked = config(tmp_path, private, public)
    mapping, cached = run(asked, private, public)
    assert not cached
    assert (mapping.how, mapping.embedder) == ("visual", "tiny, trained on the public data")
    assert pairs(mapping) == [("x", "down"), ("y", "across"), ("z", "slant")]
    assert all(0 <= match.runner_up_score <= match.score <= 1 for match in mapping.matches)
    assert stored(asked) == mapping
    assert lines[0] == "3 classes matched by visual"


def test_a_rerun_takes_the_mapping_that_is_there(private, public, tmp_path, lines, trainings):
    asked = config(tmp_path, private, public)
    mapping, _ = run(asked, private, public)
    again, cached = run(asked, private, public)
    assert cached
    assert again == mapping
    assert len(trainings) == 1


def test_a_new_shard_leaves_the_mapping_as_it_is(private, public, tmp_path, trainings):
    asked = config(tmp_path, private, public)
    mapping, _ = run(asked, private, public)
    more = private.shards[0].model_copy(update={"name": "train-000009.tar", "sha256": "9" * 64})
    again, cached = run(asked, private.model_copy(update={"shards": (*private.shards, more)}), public)
    assert cached
    assert again == mapping
    assert len(trainings) == 1


def test_what_shapes_the_scores_has_them_made_again(private, public, tmp_path, trainings, monkeypatch):
    short = QUICK.model_copy(update={"epochs": 1})
    asked = config(tmp_path, private, public, VISUAL.model_copy(update={"training": short}))
    first, _ = run(asked, private, public)
    digests = {first.inputs}
    for update in ({"samples": 40}, {"assignment": "many-to-one"}):
        matching = asked.matching.model_copy(update=update)
        mapping, cached = run(config(tmp_path, private, public, matching), private, public)
        assert not cached
        digests.add(mapping.inputs)
    moved = public.model_copy(update={"source": public.source.model_copy(update={"limit": 30})})
    digests.add(run(asked, private, moved)[0].inputs)
    monkeypatch.setenv("UNLEARNABLE_KEY", "quite another key")
    digests.add(run(asked, private, public)[0].inputs)
    assert len(digests) == len(trainings) == 5


def test_a_mapping_that_was_made_another_way_is_not_taken(private, public, tmp_path, trainings):
    (tmp_path / "map.json").write_text(json.dumps({"x": "down", "y": "down", "z": "down"}))
    by_hand = config(tmp_path, private, public, mapping=str(tmp_path / "map.json"))
    by_sight = config(tmp_path, private, public)
    assert run(by_hand, private, public)[0].how == "file"
    assert run(by_sight, private, public)[0].how == "visual"
    mapping, cached = run(by_hand, private, public)
    assert (mapping.how, cached) == ("file", False)
    assert pairs(mapping) == [("x", "down"), ("y", "down"), ("z", "down")]
    assert stored(by_hand) == mapping
    assert len(trainings) == 1


def test_ambiguous_matches_are_named_in_one_line_at_every_run(public, tmp_path, lines):
    """Two private classes look alike: one-to-one forces one of them away."""
    private = dataset(str(tmp_path / "private"), {"x": 2, "twin": 2}, each=6, seed=1)
    asked = config(tmp_path, private, public)
    mapping, _ = run(asked, private, public)
    (doubtful,) = [match for match in mapping.matches if match.ambiguous]
    assert doubtful.runner_up == "down"
    (line,) = warnings(lines)
    scores = f"({doubtful.score:.2f}, down {doubtful.runner_up_score:.2f})"
    assert line == (
        f"warning: ambiguous matches: {doubtful.private} -> {doubtful.public} {scores}; "
        "check match/mapping.json, or give --mapping"
    )
    assert run(asked, private, public)[1]
    assert warnings(lines) == [line, line]


def test_nothing_is_said_when_no_match_is_in_doubt(private, public, tmp_path, lines):
    many = Matching(how="visual", assignment="many-to-one", training=QUICK)
    assert not any(
        match.ambiguous for match in run(config(tmp_path, private, public, many), private, public)[0].matches
    )
    assert warnings(lines) == []


def test_fewer_public_than_private_classes_are_bad_usage_unless_many_share_one(private, tmp_path):
    public = dataset(str(tmp_path / "public"), {"across": 0, "down": 2})
    with pytest.raises(ConfigurationError, match="use many-to-one"):
        run(config(tmp_path, private, public), private, public)
    many = config(tmp_path, private, public, VISUAL.model_copy(update={"assignment": "many-to-one"}))
    found = dict(pairs(run(many, private, public)[0]))
    assert (found["x"], found["y"]) == ("down", "across")


def test_a_backbone_without_weights_is_bad_usage(private, public, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"weights of resnet18 are not at hand"):
        run(config(tmp_path, private, public, Matching(how="visual", backbone="resnet18")), private, public)


def test_without_a_public_dataset_each_class_makes_its_own_noise(private, tmp_path):
    mapping, _ = run(config(tmp_path, private, None, Matching()), private, None)
    assert (mapping.how, pairs(mapping)) == ("identity", [("x", "x"), ("y", "y"), ("z", "z")])


def test_in_a_context_each_class_makes_its_own_noise_beside_the_public_ones(private, public, tmp_path):
    asked = config(tmp_path, private, public, Matching(how="context"))
    mapping, _ = run(asked, private, public)
    assert (mapping.how, mapping.embedder) == ("context", None)
    assert pairs(mapping) == [("x", "x"), ("y", "y"), ("z", "z")]
    assert stored(asked) == mapping


@pytest.mark.parametrize("how", ["visual", "context"])
def test_a_mapping_file_takes_precedence_over_the_way_of_matching(private, public, tmp_path, how):
    (tmp_path / "map.json").write_text(json.dumps({"x": "down", "y": "down", "z": "down"}))
    asked = config(tmp_path, private, public, Matching(how=how), mapping=str(tmp_path / "map.json"))
    assert run(asked, private, public)[0].how == "file"


def test_by_name_is_the_default(public, tmp_path):
    private = dataset(str(tmp_path / "private"), {"Down": 0, "ACROSS": 1}, each=1)
    mapping, _ = run(config(tmp_path, private, public, Matching()), private, public)
    assert (mapping.how, pairs(mapping)) == ("name", [("ACROSS", "across"), ("Down", "down")])


class TestCoveredClasses:
    """Matched are the classes that are to be protected, and no others."""

    def test_by_name_the_others_need_no_public_class(self, private, tmp_path):
        public = dataset(str(tmp_path / "public"), {"Y": 0, "other": 1}, each=1)
        asked = config(tmp_path, private, public, Matching(), coverage=Coverage(classes=("y",)))
        mapping, _ = run(asked, private, public)
        assert (mapping.how, pairs(mapping)) == ("name", [("y", "Y")])
        with pytest.raises(ConfigurationError, match="called like x, z;"):
            run(config(tmp_path, private, public, Matching()), private, public)

    def test_by_file_they_may_be_left_out(self, private, public, tmp_path):
        (tmp_path / "map.json").write_text(json.dumps({"z": "down"}))
        known = {"mapping": str(tmp_path / "map.json"), "coverage": Coverage(classes=("z",))}
        mapping, _ = run(config(tmp_path, private, public, Matching(), **known), private, public)
        assert (mapping.how, pairs(mapping)) == ("file", [("z", "down")])

    def test_by_sight_one_to_one_is_over_these_alone(self, private, tmp_path, trainings):
        """Two public classes are too few for three private ones, and enough for the two that are protected."""
        public = dataset(str(tmp_path / "public"), {"across": 0, "down": 2})
        asked = config(tmp_path, private, public, coverage=Coverage(classes=("y", "x")))
        mapping, _ = run(asked, private, public)
        assert pairs(mapping) == [("x", "down"), ("y", "across")]
        assert run(asked, private, public) == (mapping, True)
        other, cached = run(config(tmp_path, private, public, coverage=Coverage(classes=("y",))), private, public)
        assert not cached
        assert pairs(other) == [("y", "across")]
        assert len(trainings) == 2

    @pytest.mark.parametrize("how", ["identity", "context"])
    def test_classes_that_make_their_own_noise_are_all_listed(self, private, public, tmp_path, how):
        known = (public, Matching(how="context")) if how == "context" else (None, Matching())
        mapping, _ = run(config(tmp_path, private, *known, coverage=Coverage(classes=("z",))), private, known[0])
        assert (mapping.how, pairs(mapping)) == (how, [("x", "x"), ("y", "y"), ("z", "z")])
