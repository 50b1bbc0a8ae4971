import gzip
import json

import pytest

from infra.errors import DataError
from infra.storage import Folder
from schemas.dataset import DatasetManifest, SourceSpec
from schemas.protect import ProtectedManifest, ProtectionRecord
from tasks.shard import source
from tasks.shard.load import read_shard
from tests.tasks.shard.helpers import index_all, manifest_of, picture, real_data, reasons, shard, tarred


@pytest.fixture
def place(tmp_path):
    return Folder(str(tmp_path / "source"))


@pytest.fixture
def work(tmp_path):
    return Folder(str(tmp_path / "work"))


def keys(manifest):
    return [sample.key for record in manifest.shards for sample in read_shard(manifest, record)]


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tgz"])
def test_shards_are_indexed_where_they_lie(place, work, suffix):
    for i in range(2):
        data = tarred(shard(4, 4 * i))
        place.write(f"d-{i}.{suffix}", data if suffix == "tar" else gzip.compress(data))
    manifest, indices = manifest_of(SourceSpec(url=place.url), work)
    assert manifest.format == "webdataset"
    assert [record.name for record in manifest.shards] == ["d-0.tar", "d-1.tar"]
    assert [record.url for record in manifest.shards] == [f"{place.url}/d-{i}.{suffix}" for i in range(2)]
    assert manifest.shards[0].class_counts == {"0": 2, "1": 2}
    assert manifest.labels == manifest.class_names == ("0", "1")
    assert keys(manifest) == [f"{i:04d}" for i in range(8)]
    assert all(index.unit.in_place for index in indices)
    assert work.list() == {}


@pytest.mark.parametrize("scheme", ["memory", "local"])
@pytest.mark.parametrize("name", ["", "/a-000.tar", "/*.tar", "/a-00?.tar"])
def test_a_file_a_folder_or_a_glob(tmp_path, work, scheme, name):
    place = Folder(f"memory://wds-{tmp_path.name}" if scheme == "memory" else str(tmp_path / "s"))
    place.write("a-000.tar", tarred(shard(4)))
    place.write("notes.txt", b"")
    manifest, _ = manifest_of(SourceSpec(url=place.url + name), work)
    assert manifest.samples == 4
    assert place.read("a-000.tar") == Folder(manifest.shards[0].url.rsplit("/", 1)[0]).read("a-000.tar")


def test_relative_paths(tmp_path, work, monkeypatch):
    Folder(str(tmp_path)).write("a.tar", tarred(shard(4)))
    monkeypatch.chdir(tmp_path)
    for url in ("a.tar", ".", "*.tar"):
        assert manifest_of(SourceSpec(url=url), work)[0].samples == 4


def test_splits_are_chosen_by_words_in_names(place):
    for name in ("x-train-0.tar", "x-train-1.tar", "x_TEST_0.tar", "x-valid-0.tar"):
        place.write(name, tarred(shard(2)))
    chosen = {
        split: [unit.name for unit in source.plan(SourceSpec(url=place.url, split=split)).units]
        for split in ("train", "test", "val", "validation")
    }
    assert chosen["train"] == ["x-train-0.tar", "x-train-1.tar"]
    assert chosen["test"] == ["x_TEST_0.tar"]
    assert chosen["val"] == chosen["validation"] == ["x-valid-0.tar"]
    with pytest.raises(DataError, match=r"no split holdout at .*: it has test, train, val"):
        source.plan(SourceSpec(url=place.url, split="holdout"))


def test_a_shard_that_tells_no_split_beside_some_that_do_is_refused_and_not_left_out(place):
    for name in ("x-train-0.tar", "x-test-0.tar", "restrain.tar"):
        place.write(name, tarred(shard(2)))
    for split in ("train", "test"):
        with pytest.raises(DataError, match=r"has splits, and nothing tells of which restrain\.tar is"):
            source.plan(SourceSpec(url=place.url, split=split))
    assert [unit.name for unit in source.plan(SourceSpec(url=f"{place.url}/*-train-*")).units] == ["x-train-0.tar"]


def test_splits_in_folders_and_unique_names(place):
    for name in ("train/a/0.tar", "train/b/0.tar", "test/a/0.tar"):
        place.write(name, tarred(shard(2)))
    names = [unit.name for unit in source.plan(SourceSpec(url=place.url)).units]
    assert len(set(names)) == len(names) == 2
    assert all(name.startswith("0-") and name.endswith(".tar") and "/" not in name for name in names)


@pytest.mark.parametrize("classes", [["cat", "dog", "owl"], {"0": "cat", "1": "dog", "2": "owl"}])
def test_class_names_beside_the_shards(place, work, classes):
    place.write("a.tar", tarred(shard(6, classes=4)))
    place.write("classes.json", json.dumps(classes).encode())
    manifest, indices = manifest_of(SourceSpec(url=place.url, max_bad_share=0.5), work)
    assert manifest.class_names == ("cat", "dog", "owl")
    assert manifest.labels == ("0", "1", "2")
    assert reasons(indices) == {"0003": 'its label "3" is not among the 3 known classes (0 to 2)'}
    assert keys(manifest) == ["0000", "0001", "0002", "0004", "0005"]
    assert manifest.shards[0].bad_positions == (3,)


@pytest.mark.parametrize("classes", ["{", "3", "[]", '["a", "a"]', '{"0": "a", "2": "b"}', '{"cat": 0}'])
def test_class_names_that_are_none(place, classes):
    place.write("a.tar", tarred(shard(2)))
    place.write("classes.json", classes.encode())
    with pytest.raises(DataError, match=r"classes.json is no"):
        source.plan(SourceSpec(url=place.url))


BAD = [
    ([("k.cls", b"0")], "no picture: none of its members is one"),
    ([("k.jpg", picture()), ("k.png", picture()), ("k.cls", b"0")], "more than one picture (jpg, png)"),
    ([("k.png", picture()), ("k.thumb", picture(1, "JPEG")), ("k.cls", b"0")], "more than one picture (png, thumb)"),
    ([("k.png", picture())], "no label: there is none in its cls or json"),
    ([("k.png", picture()), ("k.cls", b" \n")], "no label"),
    ([("k.png", picture()), ("k.cls", b"\xff\xfe")], "no label"),
    ([("k.png", picture()), ("k.json", b'{"name": 1}')], "no label"),
    ([("k.png", picture()), ("k.json", b"{")], "no label: its json can't be read"),
    ([("k.png", picture()), ("k.json", b"[" * 100_000)], "no label: its json can't be read"),
    ([("k.png", picture()), ("k.png", picture()), ("k.cls", b"0")], "duplicate key"),
    ([("k.png", picture()), ("k.PNG", picture()), ("k.cls", b"0")], "duplicate key"),
    ([("k.png", None), ("k.cls", b"0")], "a link, a device"),
    ([("d/k.png", picture()), ("d/k.cls", b"0")], "path in it"),
    ([("../k.png", picture()), ("../k.cls", b"0")], "path in it"),
    ([("/etc/k.png", picture()), ("/etc/k.cls", b"0")], "path in it"),
    ([("a\\k.png", picture()), ("a\\k.cls", b"0")], "path in it"),
    ([("k..png", picture()), ("k..cls", b"0")], "path in it"),
    ([("k\n\x1b[31m.png", picture()), ("k\n\x1b[31m.cls", b"0")], "control characters"),
    ([("k\udcff.png", picture()), ("k\udcff.cls", b"0")], "control characters"),
    ([("README", b"hello")], "no picture: a member of it has no extension"),
    ([("k.", b""), ("k.png", picture()), ("k.cls", b"0")], "has no extension"),
    ([("k.png", b"garbage"), ("k.cls", b"0")], "not a picture that can be read"),
    ([("k.png", b""), ("k.cls", b"0")], "not a picture that can be read"),
    ([("k.jpg", picture(1, "JPEG", 64, 64)[:-300]), ("k.cls", b"0")], "damaged or cut short"),
]


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize(("members", "reason"), BAD, ids=[f"{i}" for i in range(len(BAD))])
def test_a_bad_sample_is_quarantined_and_the_good_survive(place, work, members, reason, limit):
    place.write("a.tar", tarred([*shard(2), *members, *shard(2, 2)]))
    manifest, indices = manifest_of(SourceSpec(url=place.url, limit=limit, max_bad_share=0.5), work)
    bad = [row for index in indices for row in index.bad]
    assert [row.position for row in bad] == [2]
    assert reason in bad[0].reason
    assert bad[0].key.isprintable()
    assert len(bad[0].key) <= 200
    assert keys(manifest) == ["0000", "0001", "0002", "0003"]
    assert manifest.shards[0].bad_positions == ((2,) if limit is None else ())
    for sample in read_shard(manifest, manifest.shards[0]):
        assert sample.picture == picture(int(sample.key))


def test_a_key_that_comes_back_is_a_duplicate(place, work):
    place.write("a.tar", tarred([*shard(3), ("0001.png", picture()), ("0001.cls", b"0")]))
    manifest, indices = manifest_of(SourceSpec(url=place.url, max_bad_share=0.5), work)
    assert reasons(indices) == {"0001": "duplicate key: it stands in this shard already"}
    assert [row.position for row in indices[0].bad] == [3]
    assert keys(manifest) == ["0000", "0001", "0002"]


def test_long_keys_are_cut_in_quarantine(place, work):
    place.write("a.tar", tarred([*shard(4), ("k" * 300 + ".txt", b"")]))
    indices = index_all(SourceSpec(url=place.url), work)
    assert indices[0].bad[0].key == "k" * 200


def test_labels_are_normalised(place, work):
    members = [
        ("a.png", picture()), ("a.cls", b"07\n"), ("b.png", picture()), ("b.cls", b" 7 "),
        ("c.png", picture()), ("c.json", b'{"label": 10}'), ("d.png", picture()), ("d.json", b'{"label": 9.0}'),
    ]  # fmt: skip
    place.write("a.tar", tarred(members))
    manifest, _ = manifest_of(SourceSpec(url=place.url), work)
    assert manifest.labels == ("7", "9", "10")
    assert manifest.shards[0].class_counts == {"10": 1, "7": 2, "9": 1}
    assert [sample.label for sample in read_shard(manifest, manifest.shards[0])] == ["7", "7", "10", "9"]


@pytest.mark.parametrize("limit", [None, 2])
def test_fields_say_where_label_and_picture_are(place, work, limit):
    record = json.dumps({"meta": {"kind": " owl "}, "label": 3}).encode()
    other = json.dumps({"meta": {"kind": "cat"}}).encode()
    members = [
        ("a.left.png", picture(1)), ("a.right.png", picture(2)), ("a.json", record),
        ("b.left.png", picture(3)), ("b.right.png", picture(4)), ("b.json", other), ("c.json", other),
    ]  # fmt: skip
    place.write("a.tar", tarred(members))
    spec = SourceSpec(
        url=place.url, label_field="meta.kind", image_field="RIGHT.png", max_bad_share=0.5, limit=limit, shard_size=1
    )
    manifest, indices = manifest_of(spec, work)
    samples = [sample for shard in manifest.shards for sample in read_shard(manifest, shard)]
    assert manifest.labels == ("cat", "owl")
    assert [(s.key, s.label, s.picture) for s in samples] == [("a", "owl", picture(2)), ("b", "cat", picture(4))]
    assert [len(s.parts) for s in samples] == [3, 3]
    if limit is None:
        assert reasons(indices) == {"c": "no picture: it has no member RIGHT.png"}


def test_limit_writes_new_shards_that_keep_every_member(place, work):
    extra = [("0000.json", b'{"a": 1}'), ("0000._x", b"kept")]
    place.write("t-train-0.tar", tarred([*shard(1), *extra, *shard(2, 1)]))
    place.write("t-train-1.tgz", gzip.compress(tarred(shard(5))))
    place.write("t-train-2.tar", b"never read")
    spec = SourceSpec(url=place.url, limit=6, shard_size=2)
    plan = source.plan(spec)
    assert plan == source.plan(spec)
    assert [unit.name for unit in plan.units] == [f"train-{i:06d}.tar" for i in range(4)]
    manifest, indices = manifest_of(spec, work)
    assert [record.samples for record in manifest.shards] == [2, 1, 2, 1]
    assert keys(manifest) == ["0000", "0001", "0002", "0000", "0001", "0002"]
    first = next(read_shard(manifest, manifest.shards[0]))
    assert [extension for extension, _ in first.parts] == ["png", "cls", "json", "_x"]
    assert sorted(work.list()) == [f"shards/train-{i:06d}.tar" for i in range(4)]
    assert manifest.shards[0].url == work.object_url("shards/train-000000.tar")
    again = index_all(spec, work.child("again"))
    assert [a.record.sha256 for a in again] == [b.record.sha256 for b in indices]


DAMAGED = {
    "cut": tarred(shard(8))[: 512 * 9],
    "empty": b"",
    "text": b"no tar",
    "gzip-cut": gzip.compress(tarred(shard(8)))[:-20],
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_shard_stops_with_its_name(place, work, data):
    place.write("bad.tar", data)
    with pytest.raises(DataError, match=r"bad\.tar is (truncated or damaged|not a tar archive)"):
        index_all(SourceSpec(url=place.url), work)


def test_a_shard_that_changed_is_not_read(place, work):
    place.write("a.tar", tarred(shard(4)))
    manifest, _ = manifest_of(SourceSpec(url=place.url), work)
    place.write("a.tar", tarred(shard(4, 1)))
    with pytest.raises(DataError, match=r"shard a\.tar changed since it was indexed; run it again"):
        next(read_shard(manifest, manifest.shards[0]))


def publish(place, manifest, protected):
    """Write `manifest` as a destination holds it: URLs relative to it."""
    shards = tuple(record.model_copy(update={"url": record.name}) for record in manifest.shards)
    relative = manifest.model_copy(update={"shards": shards})
    if not protected:
        place.save("manifest.json", relative)
        return
    fields = {"method": "random", "form": "class-wise", "norm": "linf", "epsilon": 8, "fraction": 1.0}
    fields |= {"classes": None, "protected": 8, "max_abs_change": 8, "software": "0"}
    protection = ProtectionRecord.model_validate(fields)
    place.save("manifest.json", ProtectedManifest(job="0" * 32, dataset=relative, protection=protection))


@pytest.mark.parametrize("protected", [True, False])
def test_our_own_manifest_is_believed_and_checked(place, work, protected):
    names = json.dumps(["cat", "dog"]).encode()
    place.write("classes.json", names)
    for i in range(2):
        place.write(f"train-{i}.tar", tarred(shard(4, 4 * i)))
    first, _ = manifest_of(SourceSpec(url=place.url), work)
    place.delete("classes.json")
    publish(place, first, protected)
    spec = SourceSpec(url=place.url)
    second, _ = manifest_of(spec, work)
    assert second.class_names == ("cat", "dog")
    assert second.digest == first.digest
    assert len(source.plan(SourceSpec(url=f"{place.url}/train-1.tar")).units) == 1
    with pytest.raises(DataError, match=r"no split test at .*: it has train"):
        source.plan(SourceSpec(url=place.url, split="test"))

    size = len(place.read("train-1.tar"))
    place.write("train-1.tar", bytes(size))
    with pytest.raises(DataError, match=r"shard train-1\.tar is not the one that its manifest records"):
        index_all(spec, work)
    place.write("train-1.tar", bytes(size + 1))
    with pytest.raises(DataError, match=r"shard train-1\.tar is not the one"):
        source.plan(spec)
    place.delete("train-1.tar")
    with pytest.raises(DataError, match=r"shard train-1\.tar of the manifest .* is not there"):
        source.plan(spec)


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize("stray", ["train-2.tar", "test-0.tar", "more/deep/train.TGZ"])
def test_a_new_shard_beside_our_manifest_is_not_passed_over(place, work, protected, stray):
    for i in range(2):
        place.write(f"train-{i}.tar", tarred(shard(4, 4 * i)))
    first, _ = manifest_of(SourceSpec(url=place.url), work)
    publish(place, first, protected)
    assert len(source.plan(SourceSpec(url=place.url)).units) == 2
    place.write(stray, tarred(shard(4, 50)))
    for url in (place.url, f"{place.url}/**"):
        with pytest.raises(DataError, match=r"manifest\.json does not name .* or remove the manifest") as caught:
            source.plan(SourceSpec(url=url))
        assert stray.rpartition("/")[2] in str(caught.value)
    assert len(source.plan(SourceSpec(url=f"{place.url}/train-1.tar")).units) == 1
    place.delete("manifest.json")
    assert len(source.plan(SourceSpec(url=place.url)).units) == (2 if stray == "test-0.tar" else 3)


def test_the_workspaces_own_dataset_is_a_source(place, work, tmp_path):
    place.write("a.tar", tarred(shard(4)))
    manifest, _ = manifest_of(SourceSpec(url=place.url, limit=3), work)
    work.save("manifest.json", manifest)
    again, _ = manifest_of(SourceSpec(url=work.url), Folder(str(tmp_path / "w2")))
    assert again.digest == manifest.digest


def test_a_foreign_manifest_is_ignored_and_a_damaged_one_of_ours_refused(place):
    place.write("a.tar", tarred(shard(4)))
    for text in (b"{", b"[]", b'{"files": []}'):
        place.write("manifest.json", text)
        assert len(source.plan(SourceSpec(url=place.url)).units) == 1
    place.write("manifest.json", b'{"schema_version": 1, "shards": []}')
    with pytest.raises(DataError, match=f"no {DatasetManifest.__name__} of this version"):
        source.plan(SourceSpec(url=place.url))


@pytest.mark.parametrize("name", ["cifar10", "gtsrb32", "imagenette224"])
def test_real_shards(name, work):
    place = real_data(name)
    spec = SourceSpec(url=str(place), split="test", limit=300)
    manifest, _ = manifest_of(spec, work)
    assert manifest.samples == 300
    assert manifest.quarantined == 0
    assert list(manifest.class_names) == json.loads((place / "classes.json").read_text())
    sizes = manifest.shards[0].sizes
    assert sizes is not None
    assert sizes.max_height == sizes.min_width == (224 if name == "imagenette224" else 32)
    assert sum(1 for _ in read_shard(manifest, manifest.shards[0])) == 300
