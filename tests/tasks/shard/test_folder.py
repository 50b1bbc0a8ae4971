import os
import re

import fsspec
import pytest

from infra.errors import DataError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from tasks.shard import source
from tasks.shard.load import read_shard
from tests.tasks.shard.helpers import index_all, manifest_of, picture, reasons

GOOD = [f"{name}/{i}.png" for name in ("cat", "dog") for i in range(6)]


@pytest.fixture(params=["local", "memory"])
def place(request, tmp_path):
    if request.param == "local":
        yield Folder(str(tmp_path / "source"))
        return
    yield Folder(f"memory://shard-{os.getpid()}/source")
    fs = fsspec.filesystem("memory")
    if fs.exists(f"/shard-{os.getpid()}"):
        fs.rm(f"/shard-{os.getpid()}", recursive=True)


def fill(place, names):
    for i, name in enumerate(names):
        place.write(name, picture(i) if name.lower().endswith("png") else b"text")


def test_every_file_ends_in_a_shard_or_in_quarantine(place, tmp_path):
    bad = ["root.png", "cat/notes.txt", "dog/noextension", "other/readme.md"]
    hidden = [".DS_Store", "cat/.DS_Store", "cat/Thumbs.db", "__MACOSX/cat/._0.png", ".git/a/b.png"]
    fill(place, [*GOOD, *bad, *hidden, "dog/deep/er/x.PNG"])
    spec = SourceSpec(url=place.url, shard_size=5, max_bad_share=0.5)
    manifest, indices = manifest_of(spec, Folder(str(tmp_path / "w")))
    samples = [sample for record in manifest.shards for sample in read_shard(manifest, record)]
    assert manifest.format == "folder"
    assert manifest.class_names == ("cat", "dog")
    assert manifest.labels == ("0", "1")
    assert [unit.name for unit in source.plan(spec).units] == [f"train-{i:06d}.tar" for i in range(4)]
    assert len({sample.key for sample in samples}) == len(samples) == manifest.samples == 13
    assert sorted(row.source for index in indices for row in index.bad) == sorted(bad)
    assert reasons(indices) == {
        "root": "no label: it lies in no class folder",
        "cat_notes": "not a picture by its name",
        "dog_noextension": "not a picture by its name",
        "other_readme": "not a picture by its name",
    }
    by_key = {sample.key: sample for sample in samples}
    assert by_key["dog_deep_er_x"].label == "1"
    assert by_key["cat_3"].parts == (("png", place.read("cat/3.png")), ("cls", b"0"))


def test_the_plan_is_repeatable_and_mixes_the_classes(place):
    fill(place, GOOD)
    spec = SourceSpec(url=place.url, shard_size=6)
    plan = source.plan(spec)
    assert plan == source.plan(spec)
    for unit in plan.units:
        assert {sample.label for sample in source.read(spec, unit)} == {"0", "1"}


def test_the_fingerprint_changes_with_the_bytes(place):
    fill(place, GOOD)
    spec = SourceSpec(url=place.url, shard_size=6)
    before = source.plan(spec)
    place.write("cat/0.png", picture(99, height=9))
    after = source.plan(spec)
    same = [a.fingerprint == b.fingerprint for a, b in zip(before.units, after.units, strict=True)]
    assert sorted(same) == [False, True]


def test_limit_takes_the_first_of_the_order(place, tmp_path):
    fill(place, GOOD)
    spec = SourceSpec(url=place.url, limit=5, shard_size=3)
    everything = [s.key for u in source.plan(SourceSpec(url=place.url)).units for s in source.read(spec, u)]
    limited = [s.key for u in source.plan(spec).units for s in source.read(spec, u)]
    assert limited == everything[:5]
    assert [len(list(source.read(spec, unit))) for unit in source.plan(spec).units] == [3, 2]


def test_keys_are_safe_and_unique(place):
    names = ["a/x y.png", "a/x_y.png", "a/x.y.png", "a/x.png", "a/x.jpg", "a_b/c.png", "a/b_c.png", "a/é.png"]
    fill(place, names)
    spec = SourceSpec(url=place.url)
    keys = [sample.key for unit in source.plan(spec).units for sample in source.read(spec, unit)]
    assert len(set(keys)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", key) for key in keys)
    assert sum(bool(re.search(r"-[0-9a-f]{8}$", key)) for key in keys) == 8


def test_folders_of_splits(place):
    fill(place, [f"{split}/{name}" for split in ("train", "test") for name in GOOD] + ["license.txt"])
    plan = source.plan(SourceSpec(url=place.url, split="test"))
    assert plan.class_names == ("cat", "dog")
    assert [unit.name for unit in plan.units] == ["test-000000.tar"]
    assert {s.source for s in source.read(SourceSpec(url=place.url), plan.units[0])} == set(GOOD)
    with pytest.raises(DataError, match=r"no split val at .*: it has test, train"):
        source.plan(SourceSpec(url=place.url, split="val"))


@pytest.mark.parametrize("beside", ["dog/0.png", "0.png"])
def test_pictures_beside_folders_of_splits_are_refused_and_not_left_out(place, beside):
    fill(place, [*(f"{split}/{name}" for split in ("train", "test") for name in GOOD), "notes.txt", "train/me.txt"])
    assert source.plan(SourceSpec(url=place.url)).class_names == ("cat", "dog")
    fill(place, [beside])
    with pytest.raises(DataError, match=rf"has splits, and nothing tells of which {beside} is \(1 such files\)"):
        source.plan(SourceSpec(url=place.url))
    assert source.plan(SourceSpec(url=f"{place.url}/train")).class_names == ("cat", "dog")


def test_validation_is_val(place):
    fill(place, [f"validation/{name}" for name in GOOD])
    assert source.plan(SourceSpec(url=place.url, split="val")).class_names == ("cat", "dog")


def test_a_class_may_be_called_train(place):
    fill(place, ["train/0.png", "car/0.png", "bus/0.png"])
    assert source.plan(SourceSpec(url=place.url)).class_names == ("bus", "car", "train")


def test_a_name_that_is_no_text_is_quarantined(tmp_path):
    place = Folder(str(tmp_path / "source"))
    fill(place, GOOD)
    try:
        (tmp_path / "source" / "cat" / os.fsdecode(b"\xff.png")).write_bytes(picture(1))
    except OSError:
        pytest.skip("this filesystem holds no such names")
    indices = index_all(SourceSpec(url=place.url), Folder(str(tmp_path / "w")))
    assert list(reasons(indices).values()) == ["its name is no valid text"]
    assert sum(index.record.samples for index in indices) == len(GOOD)
    assert indices[0].model_dump_json()


def test_bad_pictures_are_quarantined_and_good_ones_survive(place, tmp_path):
    fill(place, GOOD)
    place.write("cat/empty.png", b"")
    place.write("cat/garbage.png", b"garbage")
    place.write("dog/cut.jpg", picture(1, "JPEG", 64, 64)[:-300])
    place.write("dog/big.png", picture(1, height=100, width=100))
    spec = SourceSpec(url=place.url, max_pixels=5000, max_bad_share=0.5)
    manifest, indices = manifest_of(spec, Folder(str(tmp_path / "w")))
    found = reasons(indices)
    assert manifest.samples == len(GOOD)
    assert manifest.quarantined == 4
    assert set(found) == {"cat_empty", "cat_garbage", "dog_cut", "dog_big"}
    assert "limit of 5000" in found["dog_big"]
    assert "damaged or cut short" in found["dog_cut"]


@pytest.mark.parametrize("names", [[], ["a.txt"], ["a.png"], ["a/b.txt"], ["a/.b.png"]])
def test_no_dataset(place, names):
    fill(place, names)
    with pytest.raises(DataError, match=r"no dataset at .*; give a folder CLASS/IMAGE"):
        source.plan(SourceSpec(url=place.url))
    with pytest.raises(DataError, match="no dataset at"):
        source.plan(SourceSpec(url=place.url, format="folder"))


def test_class_folders_that_read_the_same_are_refused(tmp_path):
    for name in ("a b", "a\nb"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"several class folders of .* are called a b"):
        source.plan(SourceSpec(url=str(tmp_path)))


@pytest.mark.parametrize("name", ["LICENSE", "licence.txt", "COPYING", "NOTICE.md", "README.md"])
def test_a_datasets_licence_and_card_are_no_samples(tmp_path, name):
    for path in ("cat/0.png", "dog/1.png"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_bytes(picture(0))
    (tmp_path / name).write_text("of this dataset")
    (tmp_path / "cat" / name).write_text("of something else")
    spec = SourceSpec(url=str(tmp_path))
    (unit,) = source.plan(spec).units
    keys = {(type(one).__name__, one.key) for one in source.read(spec, unit)}
    assert len([kind for kind, _ in keys if kind == "Sample"]) == 2
    # Below a class it is one more file that is no picture.
    assert len([kind for kind, _ in keys if kind == "Reject"]) == 1
