from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageFile

from infra.errors import ConfigurationError, DataError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from tasks.shard import source
from tasks.shard.guard import guarded
from tasks.shard.load import read_shard
from tasks.shard.pictures import PictureError, decode
from tasks.shard.samples import Sample
from tests.tasks.shard.helpers import LIMIT, encoded, index_all, manifest_of, picture, reasons


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


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
HOSTILE = {
    "eps": (EPS, "it is not a picture that can be read"),
    "large": (encoded(Image.new("L", (300, 300))), "it declares 300 x 300 pixels, more than the limit of 1000"),
    "cut": (picture(5, "JPEG", 16, 16)[:-100], "image file is truncated"),
}


def decoded():
    pytest.fail("it was decoded")


def image_folder(place, hostile):
    """A tree of classes whose first picture is a hostile one; its URL."""
    place.write("cat/0.jpg", hostile)
    for name in ("cat", "dog"):
        for i in range(1, 4):
            place.write(f"{name}/{i}.png", picture(i))
    return f"torchvision://ImageFolder?root={place.url}"


def caltech(place, hostile):
    """Pictures of torchvision's Caltech256, which opens its files itself."""
    place.write("caltech256/256_ObjectCategories/001.cat/001_0001.jpg", hostile)
    for number, name in enumerate(("001.cat", "002.dog"), 1):
        for i in range(3 - number, 6 - number):  # torchvision counts them itself, from 1
            place.write(f"caltech256/256_ObjectCategories/{name}/{number:03}_{i:04}.jpg", picture(i, "JPEG"))
    return f"torchvision://Caltech256?root={place.url}"


@pytest.mark.parametrize("layout", [image_folder, caltech])
@pytest.mark.parametrize("kind", ["eps", "large", "cut"])
def test_pictures_that_torchvision_opens_are_held_to_the_rules(tmp_path, monkeypatch, layout, kind):
    """Pillow reads EPS by a program, whatever a file is called, and decodes as many pixels as it declares."""
    monkeypatch.setattr(EpsImagePlugin.EpsImageFile, "_open", lambda _: pytest.fail("it was opened"))
    load = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: load(image) if image.width < 300 else decoded())
    data, reason = HOSTILE[kind]
    spec = SourceSpec(url=layout(Folder(str(tmp_path / "s")), data), max_pixels=1000, max_bad_share=0.5)
    manifest, indices = manifest_of(spec, Folder(str(tmp_path / "w")))
    assert manifest.samples == 6
    ((key, said),) = reasons(indices).items()
    assert key == "000000000"
    assert reason in said


def test_a_picture_of_a_folder_for_torchvision_is_turned_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(Image.new("RGB", (8, 4)), "JPEG", exif=exif)
    spec = SourceSpec(url=image_folder(Folder(str(tmp_path)), turned))
    first = next(s for unit in source.plan(spec).units for s in source.read(spec, unit) if s.key == "000000000")
    assert isinstance(first, Sample)
    assert decode(first.picture, LIMIT).shape == (8, 4, 3)


def test_a_dataset_of_torchvisions_of_which_nothing_can_be_read_is_refused(tmp_path):
    for name in ("cat", "dog"):
        Folder(str(tmp_path)).write(f"{name}/0.jpg", EPS)
    with pytest.raises(DataError, match=r"the first pictures of .* can't be read: it is not a picture"):
        source.plan(SourceSpec(url=f"torchvision://ImageFolder?root={tmp_path}"))


def test_the_guard_holds_in_its_own_thread_and_time_alone(tmp_path):
    (tmp_path / "a.png").write_bytes(picture())

    def size():
        with Image.open(tmp_path / "a.png") as image:
            return image.size

    with guarded(10), ThreadPoolExecutor(1) as pool:
        assert pool.submit(size).result() == (8, 8)
        with pytest.raises(PictureError, match="more than the limit of 10"):
            size()
        with guarded(64):
            assert size() == (8, 8)
        with pytest.raises(PictureError), (tmp_path / "a.png").open("rb") as file:
            Image.open(file)
    assert size() == (8, 8)
