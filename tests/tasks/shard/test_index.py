import io

import pandas as pd
import pytest

from infra.errors import DataError, StorageError
from infra.storage import Folder, sha256
from schemas.dataset import BadSample, ShardUnit, SourcePlan, SourceSpec
from tasks.shard import source
from tasks.shard.index import make_index, merge, write_quarantine
from tasks.shard.load import read_shard
from tests.tasks.shard.helpers import index_all, manifest_of, picture, shard, tarred

SPEC = SourceSpec(url="somewhere", max_bad_share=0.25)
PLAN = SourcePlan(format="webdataset", units=())


@pytest.fixture
def place(tmp_path):
    return Folder(str(tmp_path / "source"))


@pytest.fixture
def work(tmp_path):
    return Folder(str(tmp_path / "work"))


def test_the_record_says_what_is_stored(place, work):
    place.write("a/0.png", picture(0, height=5, width=9))
    place.write("b/0.png", picture(1, height=7, width=3))
    spec = SourceSpec(url=place.url)
    index = make_index(spec, source.plan(spec).units[0], work, "abc")
    data = work.read("shards/train-000000.tar")
    record = index.record
    assert index.inputs == "abc"
    assert (record.bytes, record.sha256, record.samples) == (len(data), sha256(data), 2)
    assert record.sizes is not None
    assert record.sizes.model_dump() == {"min_height": 5, "max_height": 7, "min_width": 3, "max_width": 9}
    assert index == type(index).model_validate_json(index.model_dump_json())


def test_quarantine_is_always_written_and_sorted(place, work):
    place.write("b.tar", tarred([("x.txt", b""), *shard(3), ("y.txt", b"")]))
    place.write("a.tar", tarred([*shard(3), ("z\t.txt", b"")]))
    indices = index_all(SourceSpec(url=place.url), work)
    write_quarantine(work, reversed(indices))
    frame = pd.read_parquet(io.BytesIO(work.read("quarantine.parquet")))
    assert list(frame.columns) == ["shard", "position", "key", "source", "reason"]
    assert frame[["shard", "position"]].to_numpy().tolist() == [["a.tar", 3], ["b.tar", 0], ["b.tar", 4]]
    write_quarantine(work, [])
    frame = pd.read_parquet(io.BytesIO(work.read("quarantine.parquet")))
    assert list(frame.columns) == ["shard", "position", "key", "source", "reason"]
    assert len(frame) == 0


def test_every_sample_is_in_a_shard_or_in_quarantine(place, work):
    members = [*shard(10)]
    members[6] = ("0003.png", b"garbage")
    members[10] = ("0005.txt", b"no picture")
    place.write("a.tar", tarred(members))
    for limit in (None, 10):
        manifest, indices = manifest_of(SourceSpec(url=place.url, limit=limit, max_bad_share=1), work)
        good = {sample.key for record in manifest.shards for sample in read_shard(manifest, record)}
        bad = {row.key for index in indices for row in index.bad}
        assert good | bad == {f"{i:04d}" for i in range(10)}
        assert not good & bad
        assert manifest.quarantined == len(bad) == 2


def indices_of(*shards):
    """Indices with (class counts, number of bad samples) each."""
    from schemas.dataset import ShardIndex, ShardRecord

    found = []
    for i, (counts, bad) in enumerate(shards):
        name = f"s{i}.tar"
        unit = ShardUnit(name=name, url=name, in_place=True, fingerprint="f")
        record = ShardRecord(
            name=name, url=name, samples=sum(counts.values()), bytes=1, sha256="0" * 64, class_counts=counts, sizes=None
        )
        rows = [BadSample(shard=name, position=j, key=f"k{j}", source="s", reason=f"r{j}") for j in range(bad)]
        found.append(ShardIndex(inputs="i", unit=unit, record=record, bad=tuple(rows)))
    return found


@pytest.mark.parametrize(
    ("counts", "labels"),
    [({"10": 1, "9": 1, "-1": 1}, ("-1", "9", "10")), ({"b": 1, "a": 1, "10": 1}, ("10", "a", "b"))],
)
def test_labels_are_sorted(counts, labels):
    manifest = merge(SPEC, PLAN, indices_of((counts, 0)))
    assert manifest.labels == manifest.class_names == labels


def test_class_names_give_the_labels():
    plan = PLAN.model_copy(update={"class_names": ("cat", "dog", "owl")})
    manifest = merge(SPEC, plan, indices_of(({"0": 1, "2": 1}, 0)))
    assert (manifest.labels, manifest.class_names) == (("0", "1", "2"), ("cat", "dog", "owl"))
    with pytest.raises(DataError, match="labels that are no class: 3; write labels from 0 to 2"):
        merge(SPEC, plan, indices_of(({"0": 1, "3": 1}, 0)))


def test_shards_without_good_samples_are_left_out():
    manifest = merge(SPEC, PLAN, indices_of(({"a": 5, "b": 5}, 0), ({}, 2)))
    assert [record.name for record in manifest.shards] == ["s0.tar"]
    assert manifest.quarantined == 2


def test_too_many_bad_samples():
    with pytest.raises(DataError) as caught:
        merge(SPEC, PLAN, indices_of(({"a": 5, "b": 4}, 4)))
    message = str(caught.value)
    assert "4 of 13 samples of somewhere are bad (k0: r0; k1: r1; k2: r2)" in message
    assert "k3" not in message
    assert "see dataset/quarantine.parquet, then mend the samples or raise --max-bad-share" in message
    assert merge(SPEC, PLAN, indices_of(({"a": 5, "b": 4}, 3))).quarantined == 3


def test_no_samples_or_one_class():
    with pytest.raises(DataError, match="has no good sample"):
        merge(SPEC, PLAN, indices_of(({}, 0)))
    with pytest.raises(DataError, match=r"has no good sample \(k0: r0\)"):
        merge(SPEC.model_copy(update={"max_bad_share": 1}), PLAN, indices_of(({}, 1)))
    with pytest.raises(DataError, match=r"have one class \(a\): a victim has nothing to tell apart"):
        merge(SPEC, PLAN, indices_of(({"a": 5}, 0)))


def test_a_source_that_is_gone(place, work):
    place.write("a.tar", tarred(shard(4)))
    spec = SourceSpec(url=place.url)
    plan = source.plan(spec)
    place.delete("a.tar")
    with pytest.raises(StorageError, match="nothing is there"):
        make_index(spec, plan.units[0], work, "i")


def test_a_written_shard_of_another_source_ignores_the_sources_fields(place, work):
    place.write("a/0.png", picture(0))
    place.write("b/0.png", picture(1))
    manifest, _ = manifest_of(SourceSpec(url=place.url, label_field="kind", image_field="photo"), work)
    assert sorted(sample.label for sample in read_shard(manifest, manifest.shards[0])) == ["0", "1"]


@pytest.mark.parametrize("url", ["digits", "torchvision://FakeData?size=3", "a.tar", "a.parquet", "tree"])
def test_formats_are_told_apart(url, tmp_path, monkeypatch):
    place = Folder(str(tmp_path))
    for name in ("a.tar", "a.parquet", "tree/a/0.png"):
        place.write(name, b"")
    monkeypatch.chdir(tmp_path)
    kinds = {"digits": "digits", "a.tar": "webdataset", "a.parquet": "parquet", "tree": "folder"}
    assert source.detect(SourceSpec(url=url)) == kinds.get(url, "torchvision")
    assert source.detect(SourceSpec(url=url, format="folder")) == "folder"


@pytest.mark.parametrize(
    ("data", "stated"), [("a.tar", "webdataset"), ("cat/x/a.tgz", "webdataset"), ("cat/a.pq", "parquet")]
)
def test_one_file_among_the_pictures_of_a_tree_does_not_replace_them(place, data, stated):
    for name in ("cat/0.png", "dog/0.png", "notes.txt"):
        place.write(name, picture())
    assert source.detect(SourceSpec(url=place.url)) == "folder"
    place.write(data, tarred(shard(2)))
    with pytest.raises(DataError, match=rf"{data} and, in a folder, cat/0\.png.*--format {stated} or --format folder"):
        source.plan(SourceSpec(url=place.url))
    assert source.plan(SourceSpec(url=place.url, format="folder")).class_names == ("cat", "dog")
    assert source.detect(SourceSpec(url=place.url, format=stated)) == stated
    assert source.detect(SourceSpec(url=f"{place.url}/{data}")) == stated


def test_pictures_beside_shards_are_no_dataset(place):
    for name in ("a.tar", "preview.png"):
        place.write(name, b"")
    assert source.detect(SourceSpec(url=place.url)) == "webdataset"
