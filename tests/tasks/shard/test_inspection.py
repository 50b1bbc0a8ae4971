"""What is told of a single shard."""

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import ConfigurationError, StorageError
from infra.storage import Folder, sha256
from schemas.dataset import SourceSpec
from tasks.shard.inspection import inspect
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all, tar_source
from tests.tasks.shard.helpers import picture, shard, tarred


@pytest.fixture
def place(tmp_path):
    return Folder(str(tmp_path / "source"))


def look(place, name="a.tar", listed=0, workspace=None, **fields):
    return inspect(SourceSpec(url=place.object_url(name), **fields), listed, workspace)


def problems(report):
    return [(each.position, each.key, each.reason) for each in report.problems]


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "A.TGZ"])
def test_a_sound_shard(place, name):
    members = [("x.jpg", picture(1, "JPEG", 5, 9)), ("x.cls", b"1"), ("x.json", b"{}"), *shard(4, classes=3)]
    data = tarred(members)
    data = data if name == "a.tar" else gzip.compress(data)
    place.write(name, data)
    found = look(place, name, 2)
    assert found.ok
    assert (found.bytes, found.sha256) == (len(data), sha256(data))
    assert (found.samples, found.good, found.problems, found.known) == (5, 5, (), None)
    assert found.class_counts == {"0": 2, "1": 2, "2": 1}
    assert found.members == {"cls": 5, "jpg": 1, "json": 1, "png": 4}
    assert found.pictures == {"JPEG RGB": 1, "PNG RGB": 4}
    assert found.sizes is not None
    assert found.sizes.model_dump() == {"min_height": 5, "max_height": 8, "min_width": 8, "max_width": 9}
    first, second = found.listed
    assert (first.position, first.key, first.label, first.width, first.height) == (0, "x", "1", 9, 5)
    assert (first.bytes, first.members) == (len(picture(1, "JPEG", 5, 9)) + 3, ("jpg", "cls", "json"))
    assert (second.position, second.key) == (1, "0000")
    assert list(place.list()) == [name]


def test_each_problem_is_told_in_its_place(place):
    bad = [
        ("no.png", picture()),
        ("cut.jpg", picture(1, "JPEG", 64, 64)[:-300]),
        ("cut.cls", b"0"),
        ("link.png", None),
        ("link.cls", b"0"),
        ("../up.png", picture()),
        ("../up.cls", b"0"),
    ]
    place.write("a.tar", tarred([*shard(2), *bad, *shard(1, 2)]))
    found = look(place, listed=10)
    assert not found.ok
    assert (found.samples, found.good, found.class_counts) == (7, 3, {"0": 2, "1": 1})
    places = [(position, key) for position, key, _ in problems(found)]
    assert places == [(2, "no"), (3, "cut"), (4, "link"), (5, "../up")]
    for (_, _, reason), said in zip(problems(found), ("no label", "damaged or cut", "a link", "a path"), strict=True):
        assert said in reason
    assert [row.key for row in found.listed] == ["0000", "0001", "no", "cut", "link", "../up", "0002"]
    assert [row.width for row in found.listed] == [8, 8, None, None, None, None, 8]
    assert found.listed[2].label is None


def test_a_cut_archive_is_told_with_the_samples_before_the_cut(place):
    data = tarred(shard(4))
    place.write("a.tar", data[: data.index(b"0002.cls")])
    found = look(place)
    assert (found.samples, found.good) == (3, 2)
    assert problems(found) == [
        (2, "0002", "no label: there is none in its cls or json"),
        (None, "", "shard a.tar is truncated or damaged after 5 members"),
    ]


NO_ARCHIVES = {
    "empty": b"",
    "text": b"no archive",
    "cut": gzip.compress(tarred(shard(4)))[:-9],
    "gzip-of-text": gzip.compress(b"x"),
}


@pytest.mark.parametrize("data", NO_ARCHIVES.values(), ids=NO_ARCHIVES)
def test_what_is_no_archive_is_a_problem_of_the_shard(place, data):
    place.write("a.tar", data)
    found = look(place)
    assert (found.ok, found.samples, found.sizes) == (False, 0, None)
    assert [(position, key) for position, key, _ in problems(found)] == [(None, "")]


def test_label_and_picture_may_have_other_names(place):
    members = [("a.left.png", picture()), ("a.right.png", picture(1)), ("a.json", json.dumps({"m": {"k": 7}}).encode())]
    place.write("a.tar", tarred(members))
    assert not look(place).ok
    found = look(place, label_field="m.k", image_field="right.png")
    assert (found.ok, found.class_counts) == (True, {"7": 1})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=30)), max_size=5))
def test_no_name_can_forge_a_line_or_end_the_look(members):
    place = Folder("memory://inspected")
    place.write("a.tar", tarred([(f"{name}.png", data) for name, data in members if "\0" not in name]))
    found = look(place, listed=10)
    told = [each.key + each.reason for each in found.problems] + [row.key for row in found.listed] + [*found.members]
    told += [name for row in found.listed for name in row.members]
    assert all(text.isprintable() for text in told)
    assert found.ok == (found.samples == found.good)


@pytest.mark.parametrize("name", ["", "a.zip", "folder"])
def test_what_is_no_shard_by_its_name_is_bad_usage(place, name):
    place.write("folder/a.tar", b"")
    with pytest.raises(ConfigurationError, match=r"no shard by its name; give .* \.tar"):
        look(place, name)


def test_a_shard_that_is_not_there_is_named(place):
    with pytest.raises(StorageError, match=r"a\.tar: nothing is there"):
        look(place)


class TestWorkspace:
    def test_a_source_and_its_protected_shard_are_known(self, tmp_path):
        source = tar_source(tmp_path / "in", shards=2)
        name = "train-000001.tar"
        with_bad = Folder(str(source))
        bad = tarred([*shard(8), ("bad.png", b"garbage"), ("bad.cls", b"0")])
        with_bad.write(name, bad)
        config = config_of(tmp_path, SourceSpec(url=str(source), max_bad_share=0.5))
        protect_all(config)
        workspace = Folder(config.workspace)
        before = workspace.list()

        found = look(with_bad, name, workspace=workspace)
        assert [(one.part, one.samples, one.protected, one.as_recorded) for one in found.known or ()] == [
            ("dataset", 8, None, True)
        ]
        assert (found.known or ())[0].quarantined == found.problems
        assert not found.ok

        found = look(Folder(config.destination), name, workspace=workspace)
        assert found.ok
        assert [(one.part, one.marker, one.samples, one.protected) for one in found.known or ()] == [
            ("protected", f"rewrite/{name}.json", 8, 8)
        ]
        assert [(bad.position, bad.key) for bad in (found.known or ())[0].quarantined] == [(8, "bad")]
        assert workspace.list() == before

    def test_bytes_that_are_not_the_recorded_ones_are_a_problem(self, tmp_path):
        config = config_of(tmp_path, folder_source(tmp_path / "in"))
        protect_all(config)
        workspace = Folder(config.workspace)
        for place, part in ((Folder(config.destination), "protected"), (workspace.child("dataset/shards"), "dataset")):
            name = "train-000000.tar"
            assert look(place, name, workspace=workspace).ok
            place.write(name, tarred(shard(4)))
            found = look(place, name, workspace=workspace)
            assert [(one.part, one.as_recorded) for one in found.known or ()] == [(part, False)]
            assert [position for position, _, _ in problems(found)] == [None]
            assert "bytes are not those that" in found.problems[0].reason

    def test_a_stranger_is_not_known_and_no_problem(self, tmp_path, place):
        config = config_of(tmp_path, folder_source(tmp_path / "in"))
        protect_all(config)
        place.write("train-000000.tar", tarred(shard(4)))
        found = look(place, "train-000000.tar", workspace=Folder(config.workspace))
        assert (found.ok, found.known) == (True, ())

    def test_what_is_no_workspace_is_bad_usage(self, place):
        place.write("a.tar", tarred(shard(2)))
        with pytest.raises(ConfigurationError, match="is no workspace of a job"):
            look(place, workspace=place)
