import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.errors import DataError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from tasks.shard import source
from tasks.shard.load import read_shard
from tests.tasks.shard.helpers import manifest_of, picture, reasons

NAMES = ["cat", "dog"]


def table(count, first=0, names=NAMES, labels=None, **columns):
    cells = [{"bytes": picture(i), "path": f"{i}.png"} for i in range(first, first + count)]
    data = {"image": cells, "label": labels or [i % 2 for i in range(count)], **columns}
    found = pa.table(data)
    if names is None:
        return found
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    return found.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def write(place, name, found, rows=4):
    stream = io.BytesIO()
    pq.write_table(found, stream, row_group_size=rows)
    place.write(name, stream.getvalue())


@pytest.fixture(params=["local", "memory"])
def place(request, tmp_path):
    return Folder(str(tmp_path / "s") if request.param == "local" else f"memory://pq-{tmp_path.name}")


@pytest.fixture
def work(tmp_path):
    return Folder(str(tmp_path / "work"))


def samples_of(manifest):
    return [sample for record in manifest.shards for sample in read_shard(manifest, record)]


def test_rows_become_samples(place, work):
    write(place, "data/train-00000-of-00002.parquet", table(11, name=[f"n{i}" for i in range(11)]))
    write(place, "data/train-00001-of-00002.parquet", table(3, 11, name=["a", "b", "c"]))
    write(place, "data/test-00000-of-00001.parquet", table(2))
    spec = SourceSpec(url=place.url, shard_size=5)
    plan = source.plan(spec)
    assert plan.format == "parquet"
    assert [(u.arguments["start"], u.arguments["stop"]) for u in plan.units] == [(0, 5), (5, 10), (10, 11), (0, 3)]
    manifest, _ = manifest_of(spec, work)
    samples = samples_of(manifest)
    assert manifest.class_names == ("cat", "dog")
    assert [sample.picture for sample in samples] == [picture(i) for i in range(14)]
    assert samples[7].key == "train-00000-of-00002-000000007"
    assert samples[7].parts[1:] == (("cls", b"1"), ("json", b'{"name": "n7"}'))


def test_folders_of_splits_and_limit(place, work):
    write(place, "train/0.parquet", table(6))
    write(place, "test/0.parquet", table(4))
    manifest, _ = manifest_of(SourceSpec(url=place.url, split="test", limit=3, shard_size=2), work)
    assert [record.name for record in manifest.shards] == ["test-000000.tar", "test-000001.tar"]
    assert [sample.picture for sample in samples_of(manifest)] == [picture(i) for i in range(3)]
    with pytest.raises(DataError, match="no split val at"):
        source.plan(SourceSpec(url=place.url, split="val"))


def test_text_labels_and_named_columns(place, work):
    cells = [picture(i, "JPEG") for i in range(4)]
    write(place, "a.parquet", pa.table({"photo": cells, "mask": cells, "kind": ["b", " a ", "b", "a"]}))
    spec = SourceSpec(url=place.url, image_field="photo", label_field="kind")
    manifest, _ = manifest_of(spec, work)
    assert manifest.labels == manifest.class_names == ("a", "b")
    assert [s.label for s in samples_of(manifest)] == ["b", "a", "b", "a"]
    assert [e for e, _ in samples_of(manifest)[0].parts] == ["jpg", "cls"]  # the other pictures are not published


def test_bad_rows_are_quarantined(place, work):
    found = table(8, names=None)
    cells = found["image"].to_pylist()
    cells[1] = None
    cells[2] = {"bytes": None, "path": "elsewhere.jpg"}
    cells[3] = {"bytes": b"garbage", "path": None}
    labels = [0, 1, 0, 1, None, -1, 2, 1]
    found = pa.table(
        {"image": cells, "label": labels}, schema=pa.schema([found.schema.field(0), ("label", pa.int64())])
    )
    write(place, "a.parquet", found.replace_schema_metadata(table(1).schema.metadata))
    manifest, indices = manifest_of(SourceSpec(url=place.url, max_bad_share=1), work)
    assert {int(key[-9:]): reason for key, reason in reasons(indices).items()} == {
        1: "no picture",
        2: "no picture: only its path elsewhere.jpg is in the file",
        3: "it is not a picture that can be read",
        4: "no label",
        5: 'its label "-1" is not among the 2 known classes (0 to 1)',
        6: 'its label "2" is not among the 2 known classes (0 to 1)',
    }
    assert [sample.picture for sample in samples_of(manifest)] == [picture(0), picture(7)]


@pytest.mark.parametrize("data", [b"", b"PAR1 nothing", b"x" * 1000])
def test_a_damaged_file(place, data):
    place.write("a.parquet", data)
    with pytest.raises(DataError, match=r"a\.parquet is no Parquet file, truncated or damaged"):
        source.plan(SourceSpec(url=place.url))


def test_missing_columns(place):
    write(place, "a.parquet", pa.table({"x": [1], "y": ["a"]}))
    with pytest.raises(DataError, match=r"has no image column image; its columns are x, y; name .*--image-field"):
        source.plan(SourceSpec(url=place.url))
    write(place, "a.parquet", pa.table({"img": [b""], "y": ["a"]}))
    with pytest.raises(DataError, match="has no label column label"):
        source.plan(SourceSpec(url=place.url))


def test_files_with_other_class_names_are_refused(place):
    write(place, "a.parquet", table(2))
    write(place, "b.parquet", table(2, names=["x", "y"]))
    with pytest.raises(DataError, match="state different class names"):
        source.plan(SourceSpec(url=place.url))
