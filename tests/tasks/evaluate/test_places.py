"""A workspace lies in nothing that is read or published, and no picture is both trained on and tested on."""

import pytest

from infra.errors import ConfigurationError
from schemas.dataset import SourceSpec
from schemas.evaluate import Beside, EvaluateConfig, Pairs
from tasks.evaluate import places
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all, tar_source


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tree that tells no split, a copy of it, and another tree."""
    root = tmp_path_factory.mktemp("places")
    protect_all(config_of(root, folder_source(root / "in")))
    folder_source(root / "test", per_class=2, first=50)
    return root


def config_for(root, clean, test, **fields):
    known = {"protected": (str(root / "out"),), "workspace": str(root / "w"), "clean": clean, "test": test}
    return EvaluateConfig(**{**known, **fields})


def spec(place, **fields):
    return SourceSpec(url=str(place), **fields)


def refused(config):
    with pytest.raises(ConfigurationError, match="; give pictures of their own with --test") as caught:
        places.check_tests(config)
    return str(caught.value)


@pytest.mark.parametrize("source", ["clean", "test", "beside.train", "beside.test", "pairs"])
def test_a_workspace_in_any_source_is_refused(tmp_path, source):
    names = ("clean", "test", "beside.train", "beside.test", "pairs")
    clean, test, train, other, faces = (spec(tmp_path / name) for name in names)
    pairs, beside = Pairs(file="pairs.tsv", pictures=faces), Beside(train=train, test=other)
    config = config_for(tmp_path, clean, test, pairs=pairs, beside=beside)
    places.check(config)
    with pytest.raises(ConfigurationError, match=f"lies in the source {tmp_path / source}"):
        places.check(config.model_copy(update={"workspace": str(tmp_path / source / "w")}))


def test_a_workspace_in_a_copy_is_refused(tmp_path):
    config = config_for(tmp_path, spec(tmp_path / "in"), spec("digits"), workspace=str(tmp_path / "out" / "w"))
    with pytest.raises(ConfigurationError, match="which will be published"):
        places.check(config)


@pytest.mark.parametrize("fields", [{}, {"split": "test"}, {"limit": 5}, {"shard_size": 3}], ids=str)
def test_pictures_that_are_trained_on_are_no_test(place, fields):
    line = refused(config_for(place, spec(place / "in"), spec(place / "in", **fields)))
    assert f"the test pictures at {place / 'in'} are training pictures too" in line


def test_the_same_place_written_otherwise_is_the_same(place, monkeypatch):
    monkeypatch.chdir(place)
    refused(config_for(place, spec(place / "in"), spec("in")))
    refused(config_for(place, spec(place / "in"), spec(f"../{place.name}/in")))


@pytest.mark.parametrize(
    ("clean", "test"), [("ImageFolder?root={}/in", "ImageFolder?root={}/./in"), ("FakeData?size=6", "FakeData?size=6")]
)
def test_pictures_of_torchvision_that_are_the_same_for_both_splits_are_no_test(place, clean, test):
    train, held_out = (f"torchvision://{url.format(place)}" for url in (clean, test))
    refused(config_for(place, spec(train), spec(held_out, split="test")))


def test_pictures_of_torchvision_whose_splits_lie_apart_are_a_test(place, tmp_path):
    for split, first in (("train", 0), ("test", 50)):
        folder_source(tmp_path / split, per_class=2, first=first)
    url = f"torchvision://ImageFolder?root={tmp_path}"
    places.check_tests(config_for(place, spec(url), spec(url, split="test")))
    refused(config_for(place, spec(url), spec(f"torchvision://ImageFolder?root={tmp_path / 'train'}", split="test")))


def test_pictures_of_pairs_that_are_trained_on_are_no_test(place):
    apart = config_for(place, spec(place / "in"), spec(place / "test"))
    pairs = Pairs(file="pairs.tsv", pictures=spec(place / "in", split="test"))
    with pytest.raises(
        ConfigurationError, match=r"pictures of the pairs .* are training pictures too; .*--pairs-split"
    ):
        places.check_tests(apart.model_copy(update={"pairs": pairs}))


def test_pictures_of_another_place_are_a_test(place):
    places.check_tests(config_for(place, spec(place / "in"), spec(place / "test")))


def test_those_beside_the_copies_are_looked_at_too(place):
    beside = Beside(train=spec(place / "in"), test=spec(place / "test"))
    config = config_for(place, spec(place / "in"), spec(place / "test"))
    places.check_tests(config.model_copy(update={"beside": beside}))
    same = Beside(train=spec(place / "in"), test=spec(place / "in", split="test"))
    refused(config.model_copy(update={"beside": same}))


def test_one_shard_in_both_is_refused_and_others_of_its_folder_are_welcome(tmp_path):
    shards = tar_source(tmp_path / "in", shards=3)
    clean = spec(shards / "train-00000[01].tar")
    protect_all(config_of(tmp_path, clean))
    refused(config_for(tmp_path, clean, spec(shards / "train-00000[12].tar", split="train")))
    places.check_tests(config_for(tmp_path, clean, spec(shards / "train-000002.tar", split="train")))


def test_the_splits_of_one_dataset_go_together(tmp_path):
    clean = SourceSpec(url="digits", limit=40)
    protect_all(config_of(tmp_path, clean))
    places.check_tests(config_for(tmp_path, clean, SourceSpec(url="digits", split="test", limit=10)))
    refused(config_for(tmp_path, clean, SourceSpec(url="digits")))
