"""`unlearnable inspect`: what it prints, and how it ends. It starts no server."""

import json

import pytest

from tests.flows.cli_helpers import Places, tree, unlearnable
from tests.tasks.shard.helpers import picture, shard


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path)


def test_a_sound_shard_ends_with_0(places):
    path = places.put("a.tar", shard(4))
    before = tree(places.root)
    said = unlearnable("inspect", path, "--samples", 2)
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == f"shard      {path}"
    assert lines[2:6] == [
        "samples    4, 4 of them good",
        "classes    0: 2, 1: 2",
        "members    cls: 4, png: 4",
        "pictures   PNG RGB: 4; 8 wide, 8 high",
    ]
    size = len(picture(1)) + 1
    assert lines[7:] == [f"sample     1 0001: label 1, 8x8, {size} bytes, png cls", "sound"]
    assert tree(places.root) == before


def test_problems_end_with_1_and_have_a_line_each(places):
    path = places.put("a.tar", [*shard(3), ("b.png", picture())])
    data = path.read_bytes()
    path.write_bytes(data[: (len(data.rstrip(b"\0")) + 511) // 512 * 512])  # without the zeros that end an archive
    said = unlearnable("inspect", path)
    assert (said.status, said.err) == (1, "")
    assert said.out.splitlines()[-3:] == [
        "problem    sample 3 b: no label: there is none in its cls or json",
        "problem    shard a.tar is truncated or damaged after 7 members",
        "NOT sound: 2 problems",
    ]


def test_json_is_one_object(places):
    path = places.put("a.tar", [*shard(3), ("b.png", picture())])
    said = unlearnable("inspect", path, "--samples", 1, "--json")
    assert said.status == 1
    found = json.loads(said.out)
    assert said.out.count("\n") == 1
    assert (found["ok"], found["samples"], found["good"]) == (False, 4, 3)
    assert [(one["position"], one["key"]) for one in found["problems"]] == [(3, "b")]
    assert [one["key"] for one in found["listed"]] == ["0000"]


def test_bad_usage_ends_with_2(places):
    path = places.put("a.tar", shard(2))
    for arguments in ((places.source,), (path, "--samples", -1), (path, "--workspace", places.source), ()):
        said = unlearnable("inspect", *arguments)
        assert said.status == 2, said
        assert said.error


def test_a_missing_shard_ends_with_1(places):
    said = unlearnable("inspect", places.source / "none.tar")
    assert said.status == 1
    assert "none.tar: nothing is there" in said.error


def test_hostile_names_forge_no_line(places):
    forged = "x\nsound\x1b[2J\u202e"
    path = places.put("a.tar", [*shard(2), (f"{forged}.png", picture()), (f"k.{forged}", b""), ("c.cls", b"a\nb")])
    said = unlearnable("inspect", path, "--samples", 9)
    assert said.status == 1
    assert all(line.isprintable() for line in said.out.splitlines())
    assert "sound" not in said.out.splitlines()
    assert "x sound\\x1b[2J\\u202e" in said.out


def test_a_long_list_of_problems_is_cut(places):
    path = places.put("a.tar", [(f"{i:04d}.png", b"") for i in range(130)])
    lines = unlearnable("inspect", path).out.splitlines()
    assert lines[-2:] == ["problem    and 30 more, with --json", "NOT sound: 130 problems"]
    assert len(lines) < 120
