"""What the shard stage keeps from one night to the next."""

import pytest

from schemas.dataset import DatasetManifest, SourceSpec
from tasks.shard import done, sample, stage
from tests.tasks.shard.helpers import picture, tarred


def put(folder, name, side):
    folder.mkdir(exist_ok=True)
    members = [(f"{name}{i}.{kind}", data) for i in range(4) for kind, data in pair(i, side)]
    (folder / f"{name}.tar").write_bytes(tarred(members))


def pair(number, side):
    return ("png", picture(number, "PNG", side, side)), ("cls", str(number % 2).encode())


def indexed(source, place, **changes) -> DatasetManifest:
    spec = SourceSpec(url=str(source), **changes)
    plan = stage.plan_source.fn(spec)
    indices = [stage.index_shard.fn(unit, spec, str(place)) for unit in plan.units]
    found = [getattr(each, "data", each) for each in indices]  # a state where it was done before
    return stage.write_manifest.fn(spec, plan, found, str(place))


@pytest.fixture
def heard(monkeypatch):
    lines = []
    monkeypatch.setattr(stage, "warn", lines.append)
    return lines


@pytest.mark.parametrize("asked", [None, 24])
def test_a_new_shard_of_larger_pictures_does_not_change_the_working_size(tmp_path, asked, heard):
    put(tmp_path / "in", "a", 16)
    first = indexed(tmp_path / "in", tmp_path / "work")
    assert sample.working_size(first, asked) == (asked or 16)
    for name in "bcd":
        put(tmp_path / "in", name, 48)
    later = indexed(tmp_path / "in", tmp_path / "work")
    (warning,) = heard
    assert "typically 48 pixels wide now; noise is still made at 16" in warning
    assert len(later.shards) == 4
    assert sample.working_size(later, asked) == (asked or 16)
    assert sample.typical_side(later) == 48
    assert indexed(tmp_path / "in", tmp_path / "elsewhere").typical_side == 48


def test_another_dataset_in_the_same_workspace_has_a_size_of_its_own(tmp_path):
    put(tmp_path / "in", "a", 16)
    put(tmp_path / "other", "a", 40)
    indexed(tmp_path / "in", tmp_path / "work")
    assert indexed(tmp_path / "other", tmp_path / "work").typical_side == 40


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"schema_version": 99}'])
def test_a_manifest_that_can_not_be_read_is_made_anew(tmp_path, damage, heard):
    put(tmp_path / "in", "a", 16)
    first = indexed(tmp_path / "in", tmp_path / "work")
    (tmp_path / "work" / done.MANIFEST).write_bytes(damage)
    assert indexed(tmp_path / "in", tmp_path / "work") == first
    assert heard == []
