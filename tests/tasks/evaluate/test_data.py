"""The pictures that victims see: all of them, labelled right, and the same whoever made them."""

import numpy as np
import pytest
import torch
from PIL import Image

from infra.errors import ConfigurationError, DataError
from infra.storage import Folder
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig
from schemas.noise import Application, NoiseBudget, Placement
from schemas.recipe import Recipe
from schemas.report import ProtectedSet
from tasks.evaluate import data, measure, sets
from tasks.rewrite.audit import audit
from tests.tasks.rewrite.helpers import CLASS_WISE, by_pillow, config_of, folder_source, protect_all, tar_source
from tests.tasks.shard.helpers import encoded, shard, tarred
from tests.tasks.shard.helpers import picture as encoded_picture


@pytest.fixture(autouse=True)
def nothing_kept():
    sets.forget()


def spec(url, **fields):
    return SourceSpec(url=str(url), **fields)


def config_for(copies, clean, test, workspace, **fields):
    return EvaluateConfig(protected=tuple(copies), clean=clean, test=test, workspace=str(workspace), **fields)


def test_every_picture_is_loaded_with_its_class(tmp_path):
    source = folder_source(tmp_path / "in", per_class=3)
    found = data.load(spec(source), 8)
    assert found.images.shape == (6, 8, 8, 3)
    assert found.classes == ("cat", "dog")
    assert torch.bincount(found.labels).tolist() == [3, 3]
    assert len(set(found.names)) == 6
    for image, label in zip(found.images.numpy(), found.labels.tolist(), strict=True):
        files = [(source / found.classes[label] / f"{i:03d}.png").read_bytes() for i in range(3)]
        assert any((by_pillow(file) == image).all() for file in files)


def test_pictures_of_another_size_are_scaled(tmp_path):
    source = folder_source(tmp_path / "in", per_class=2, side=20)
    assert data.load(spec(source), 8).images.shape == (4, 8, 8, 3)


def test_what_can_not_be_read_is_left_out_and_counted(tmp_path):
    source = folder_source(tmp_path / "in", per_class=2)
    (source / "cat" / "broken.png").write_bytes(b"no picture")
    found = data.load(spec(source), 8)
    assert (len(found.images), found.left_out) == (4, 1)


def test_what_has_no_label_is_left_out_and_counted(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train-000000.tar").write_bytes(tarred([*shard(4), ("0009.png", encoded_picture(9))]))
    found = data.load(spec(tmp_path / "in"), 8)
    assert (len(found.images), found.left_out) == (4, 1)


def test_a_dataset_without_a_picture_is_refused(tmp_path):
    (tmp_path / "in" / "cat").mkdir(parents=True)
    (tmp_path / "in" / "cat" / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="holds no picture that can be read"):
        data.load(spec(tmp_path / "in"), 8)
    with pytest.raises(DataError, match="holds no picture that can be read"):
        data.typical_side(spec(tmp_path / "in"))


def test_classes_that_the_other_dataset_lacks_are_refused_by_name(tmp_path):
    source = folder_source(tmp_path / "in", classes=("cat", "cow"))
    with pytest.raises(DataError, match="has the classes cow, which the other dataset lacks"):
        data.load(spec(source), 8, ("cat", "dog"))


def test_the_order_of_the_classes_is_the_other_datasets(tmp_path):
    source = folder_source(tmp_path / "in", classes=("cat", "dog"))
    own, other = data.load(spec(source), 8), data.load(spec(source), 8, ("dog", "emu", "cat"))
    assert other.classes == ("dog", "emu", "cat")
    assert other.labels.tolist() == [{0: 2, 1: 0}[label] for label in own.labels.tolist()]


def test_the_typical_side_is_the_most_common_one_and_at_most_224(tmp_path):
    source = folder_source(tmp_path / "in", per_class=3, side=12)
    folder_source(source, per_class=1, side=30, first=10)
    assert data.typical_side(spec(source)) == 12
    large = tmp_path / "large" / "cat"
    large.mkdir(parents=True)
    (large / "a.png").write_bytes(encoded(Image.new("RGB", (300, 10))))
    assert data.typical_side(spec(large.parent)) == 224


def test_the_digest_tells_pixels_labels_and_classes_apart(tmp_path):
    found = data.load(spec(folder_source(tmp_path / "in")), 8)
    pixels = found.images.clone()
    pixels[0, 0, 0, 0] ^= 1
    others = [
        data.Pictures(pixels, found.labels, found.names, found.classes, 0),
        data.Pictures(found.images, found.labels.flip(0), found.names, found.classes, 0),
        data.Pictures(found.images, found.labels, found.names, ("dog", "cat"), 0),
        data.Pictures(found.images.reshape(3, 32, 8, 3), found.labels, found.names, found.classes, 0),
    ]
    assert len({found.digest(), *(other.digest() for other in others)}) == 5
    assert found.digest() == data.load(spec(tmp_path / "in"), 8).digest()


def test_a_selection_has_its_own_order_and_misses_nothing(tmp_path):
    found = data.load(spec(folder_source(tmp_path / "in")), 8)
    names = found.names[::-2]
    chosen = data.select(found, names)
    assert chosen.names == names
    assert torch.equal(chosen.images, found.images.flip(0)[::2])
    assert torch.equal(chosen.labels, found.labels.flip(0)[::2])
    assert data.select(found, found.names) is found
    with pytest.raises(DataError, match=r"1 protected samples are not in the clean dataset, such as nowhere/1"):
        data.select(found, [*names, "nowhere/1"])


class TestTheThreeSets:
    @pytest.fixture
    def source(self, tmp_path):
        return folder_source(tmp_path / "in", per_class=8)

    def test_clean_and_protected_pictures_go_together_one_by_one(self, source, tmp_path):
        (source / "cat" / "broken.png").write_bytes(b"no picture")
        job = config_of(tmp_path, source)
        protect_all(job)
        config = config_for([job.destination], spec(source), spec(source), tmp_path / "w")
        clean, protected = sets.clean_set(config, 8), sets.protected_set(job.destination, 8)
        assert clean.names == protected.names
        assert clean.classes == protected.classes == ("cat", "dog")
        assert torch.equal(clean.labels, protected.labels)
        change = (clean.images.int() - protected.images.int()).abs()
        assert 0 < int(change.max()) <= 8
        assert sets.size_of(config, Recipe()) == 8
        assert sets.size_of(config, Recipe(size=16)) == 16
        assert sets.caption(job.destination) == "random, sample-wise, 8/255"

    def test_the_caption_tells_what_sets_a_copy_apart(self, source, tmp_path):
        patched = Application(placement=Placement(patch=4))
        job = config_of(tmp_path, source, application=patched, coverage=Coverage(fraction=0.4))
        protect_all(job)
        assert sets.caption(job.destination) == "random, sample-wise, 8/255, patch 4, on 40 % of the samples"

    def test_the_label_is_the_one_that_was_protected_by(self, tmp_path):
        source = tar_source(tmp_path / "in", label="json")
        made = spec(source, label_field="kind")
        job = config_of(tmp_path, made)
        protect_all(job)
        config = config_for([job.destination], spec(source), made, tmp_path / "w")
        protected, clean = sets.protected_set(job.destination, 8), sets.clean_set(config, 8)
        assert protected.labels.tolist() == clean.labels.tolist() == [0, 1, 0, 1] * 3
        assert sets.test_set(config, 8).labels.tolist() == [0, 1, 0, 1] * 3

    def test_a_limited_copy_is_compared_with_as_many_originals(self, source, tmp_path):
        job = config_of(tmp_path, spec(source, limit=7, shard_size=5))
        protect_all(job)
        config = config_for([job.destination], spec(source), spec(source), tmp_path / "w")
        assert sets.clean_set(config, 8).names == sets.protected_set(job.destination, 8).names
        assert len(sets.clean_set(config, 8).names) == 7

    def test_copies_of_other_samples_are_refused(self, source, tmp_path):
        one, two = config_of(tmp_path / "1", source), config_of(tmp_path / "2", spec(source, limit=7))
        protect_all(one)
        protect_all(two)
        config = config_for([one.destination, two.destination], spec(source), spec(source), tmp_path / "w")
        with pytest.raises(DataError, match="do not hold the same samples"):
            sets.clean_set(config, 8)

    def test_test_pictures_of_other_classes_are_refused(self, source, tmp_path):
        job = config_of(tmp_path, source)
        protect_all(job)
        other = folder_source(tmp_path / "test", classes=("cat", "cow"))
        config = config_for([job.destination], spec(source), spec(other), tmp_path / "w")
        with pytest.raises(DataError, match="has the classes cow, which the other dataset lacks"):
            sets.test_set(config, 8)

    def test_test_pictures_that_can_not_be_used_are_told_and_too_many_are_refused(self, source, tmp_path):
        job = config_of(tmp_path, source)
        protect_all(job)
        test = folder_source(tmp_path / "test", per_class=2)
        few, many = (
            config_for([job.destination], spec(source), spec(test, max_bad_share=share), tmp_path / "w")
            for share in (0.2, 0.1)
        )
        assert sets.remarks(few) == ()
        (test / "cat" / "broken.png").write_bytes(b"no picture")
        sets.forget()
        assert sets.remarks(few) == ("1 of 5 test pictures can't be used (no picture, or no label) and are left out.",)
        with pytest.raises(DataError, match=r"1 of 5 pictures of .* can't be used; .*max_bad_share"):
            sets.test_set(many, 8)

    def test_what_is_forgotten_is_read_again(self, source, tmp_path):
        job = config_of(tmp_path, source)
        protect_all(job)
        first = sets.protected_set(job.destination, 8)
        assert sets.protected_set(job.destination, 8) is first
        protect_all(job.model_copy(update={"budget": NoiseBudget(epsilon=16)}))
        sets.forget()
        assert sets.protected_set(job.destination, 8).digest() != first.digest()


class TestMeasure:
    def row(self, **changes):
        fields = {"method": "random", "form": "class-wise", "norm": "linf", "epsilon": 8, "fraction": 1.0}
        measured = {"samples": 1, "changed": 1, "max_abs_change": 8, "max_l2": 255.0, "mean_l2": 1.0, "psnr": 30.0}
        return ProtectedSet(**{**fields, **measured, **changes})

    def test_copies_with_one_name_are_refused(self):
        with pytest.raises(ConfigurationError, match="same method, form, epsilon, fraction and variant"):
            measure.require_distinct([self.row(), self.row(psnr=31.0)])

    @pytest.mark.parametrize(
        "change", [{"method": "other"}, {"form": "sample-wise"}, {"epsilon": 4}, {"fraction": 0.5}, {"variant": "l2"}]
    )
    def test_copies_that_differ_in_one_thing_are_welcome(self, change):
        measure.require_distinct([self.row(), self.row(**change)])

    @pytest.mark.parametrize("stop_error", [0.99, 0.0])
    def test_a_copy_is_measured_with_its_norm_its_variant_and_how_its_fit_ended(self, tmp_path, stop_error):
        source = folder_source(tmp_path / "in")
        method = CLASS_WISE.model_copy(update={"stop_error": stop_error})
        budget = NoiseBudget(norm="l2", epsilon=60)
        job = config_of(tmp_path, source, method, budget=budget, application=Application(arithmetic="as-published"))
        manifest = protect_all(job)
        found = audit(Folder(job.destination), spec(source))
        row = measure.protected_set("copy", manifest, found, {})
        assert (row.norm, row.epsilon, row.variant) == ("l2", 60, "l2, as published")
        assert (row.converged, row.noise_error) == (stop_error > 0, manifest.protection.noise_error)
        assert row.noise_error is not None
        assert 0 < row.max_l2 == found.max_l2 <= 60
        assert row.mean_l2 <= row.max_l2 / 255

    def test_psnr_is_what_its_definition_says(self):
        rng = np.random.default_rng(0)
        before, after = rng.integers(0, 256, (2, 5, 8, 8, 3))
        squared = int(((before - after) ** 2).sum())
        expected = 20 * np.log10(255) - 10 * np.log10(((before - after) ** 2).mean())
        assert measure.psnr(squared, before.size) == pytest.approx(expected)
        assert measure.psnr(0, 100) is None

    @pytest.mark.parametrize(
        ("url", "name"),
        [
            ("digits", "digits"),
            ("/data/flowers/", "flowers"),
            ("s3://bucket/flowers", "flowers"),
            ("torchvision://CIFAR10?root=/data", "CIFAR10"),
            ("/data/*.tar", "/data/*.tar"),
            ("..", ".."),
        ],
    )
    def test_a_dataset_is_called_by_the_part_that_says_something(self, url, name):
        assert measure.name_of(spec(url)) == name
