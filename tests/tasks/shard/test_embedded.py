import numpy as np
import pytest

from infra.errors import ConfigurationError, DataError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from tasks.shard import source
from tasks.shard.load import read_shard
from tasks.shard.pictures import decode
from tests.tasks.shard.helpers import LIMIT, index_all, manifest_of, picture


@pytest.mark.parametrize(("split", "count"), [("train", 1347), ("test", 450)])
def test_digits(split, count, tmp_path):
    spec = SourceSpec(url="digits", split=split)
    manifest, _ = manifest_of(spec, Folder(str(tmp_path)))
    samples = [sample for record in manifest.shards for sample in read_shard(manifest, record)]
    assert len(samples) == manifest.samples == count
    assert manifest.class_names == manifest.labels == tuple("0123456789")
    rgb = decode(samples[0].picture, LIMIT)
    assert rgb.shape == (32, 32, 3)
    assert rgb.max() > 200
    assert (rgb == rgb[:, :, :1]).all()


def test_digits_splits_are_disjoint_and_repeatable():
    found = {}
    for split in ("train", "test"):
        spec = SourceSpec(url="digits", split=split, shard_size=500)
        plan = source.plan(spec)
        assert plan == source.plan(spec)
        found[split] = [sample.key for unit in plan.units for sample in source.read(spec, unit)]
    assert len(set(found["train"]) | set(found["test"])) == 1797
    with pytest.raises(DataError, match="no split val at digits: it has test, train"):
        source.plan(SourceSpec(url="digits", split="val"))


def test_digits_limit():
    spec = SourceSpec(url="digits", limit=30, shard_size=20)
    assert [len(list(source.read(spec, unit))) for unit in source.plan(spec).units] == [20, 10]


def test_torchvision_fake_data(tmp_path):
    url = "torchvision://FakeData?size=12&image_size=3,10,14&num_classes=3"
    spec = SourceSpec(url=url, shard_size=5)
    manifest, indices = manifest_of(spec, Folder(str(tmp_path)))
    samples = [sample for record in manifest.shards for sample in read_shard(manifest, record)]
    assert manifest.format == "torchvision"
    assert [record.samples for record in manifest.shards] == [5, 5, 2]
    assert sorted(sample.key for sample in samples) == [f"{i:09d}" for i in range(12)]
    assert decode(samples[0].picture, LIMIT).shape == (10, 14, 3)
    assert [i.record.sha256 for i in index_all(spec, Folder(str(tmp_path)))] == [i.record.sha256 for i in indices]
    assert sum(len(list(source.read(spec, u))) for u in source.plan(spec.model_copy(update={"limit": 7})).units) == 7


def test_torchvision_image_folder_keeps_pixels(tmp_path):
    place = Folder(str(tmp_path / "s"))
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            place.write(f"{split}/{name}/0.png", picture(len(name + split)))
            place.write(f"{split}/{name}/1.png", picture(7))
    place.write("test/dog/1.png", b"garbage")
    spec = SourceSpec(url=f"torchvision://ImageFolder?root={place.url}", split="test", max_bad_share=0.5)
    manifest, indices = manifest_of(spec, Folder(str(tmp_path / "w")))
    assert manifest.class_names == ("cat", "dog")
    found = {sample.key: sample for sample in read_shard(manifest, manifest.shards[0])}
    np.testing.assert_array_equal(decode(found["000000000"].picture, LIMIT), decode(picture(7), LIMIT))
    assert [bad.key for bad in indices[0].bad] == ["000000003"]


@pytest.mark.parametrize("name", ["CIFAR10", "MNIST", "SVHN", "GTSRB", "Flowers102", "OxfordIIITPet", "STL10"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_torchvision_data_that_is_missing(name, split, tmp_path):
    url = f"torchvision://{name}?root={tmp_path}"
    query = "&split=trainval" if name == "OxfordIIITPet" and split == "train" else ""
    with pytest.raises(DataError, match=f"torchvision can't find {name} .*download=True"):
        source.plan(SourceSpec(url=url + query, split=split))


@pytest.mark.parametrize("url", ["NoSuchThing", "FakeData?size=x", "FakeData?colour=1", "FakeData?transform=a", "os"])
def test_torchvision_urls_that_mean_nothing(url):
    with pytest.raises(ConfigurationError):
        source.plan(SourceSpec(url=f"torchvision://{url}"))


def test_torchvision_split_that_a_dataset_has_not(tmp_path):
    with pytest.raises(DataError, match="no split val"):
        source.plan(SourceSpec(url=f"torchvision://CIFAR10?root={tmp_path}", split="val"))


def test_torchvision_data_that_have_changed_are_read_again(tmp_path):
    place = Folder(str(tmp_path / "tree"))
    place.write("cat/0.png", picture(1))
    place.write("dog/0.png", picture(2))
    spec = SourceSpec(url=f"torchvision://ImageFolder?root={place.url}")
    (before,) = source.plan(spec).units
    assert len(list(source.read(spec, before))) == 2
    place.write("dog/1.png", picture(3))
    (after,) = source.plan(spec).units
    assert after.fingerprint != before.fingerprint
    assert len(list(source.read(spec, after))) == 3
