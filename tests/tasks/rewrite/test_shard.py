"""Whole jobs, task by task: the same bytes every time, whole shards or none, and markers that can be trusted."""

import json

import numpy as np
import pytest

from infra.errors import ConfigurationError, DataError, StorageError
from infra.storage import Folder, sha256
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.noise import NoiseBudget, RandomNoise
from schemas.protect import ProtectedShard
from tests.tasks.rewrite.helpers import (
    CLASS_WISE,
    RANDOM,
    TWO_PHASE,
    by_pillow,
    by_webdataset,
    config_of,
    files,
    folder_source,
    members,
    protect_all,
    shards_of,
    tar_source,
)

METHODS = {
    "random": RANDOM,
    "random class-wise": RandomNoise(form="class-wise"),
    "two-phase": TWO_PHASE,
    "class-wise": CLASS_WISE,
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return folder_source(tmp_path_factory.mktemp("tree") / "in", per_class=10)


@pytest.fixture(scope="module", params=METHODS)
def job(request, tree, tmp_path_factory):
    """A finished job of each method, with one worker."""
    config = config_of(tmp_path_factory.mktemp("job"), tree, METHODS[request.param])
    protect_all(config)
    return config


def test_the_same_bytes_come_out_twice_and_with_three_workers(job, tree, tmp_path):
    again = config_of(tmp_path, tree, job.method, workers=3)
    protect_all(again, threads=3)
    assert shards_of(again.destination) == shards_of(job.destination)
    assert len(shards_of(job.destination)) == 4


def test_another_key_gives_other_bytes_in_every_shard(job, tree, tmp_path):
    (tmp_path / "key.txt").write_text("quite another key\n")
    other = config_of(tmp_path, tree, job.method)
    protect_all(other)
    mine, theirs = shards_of(job.destination), shards_of(other.destination)
    assert mine.keys() == theirs.keys()
    assert all(mine[name] != theirs[name] for name in mine)


def test_every_stored_picture_is_within_the_budget_of_the_source_file(job, tree):
    seen = 0
    for data in shards_of(job.destination).values():
        for name, stored in members(data):
            if name.endswith(".png"):
                folder, _, file = name.partition("_")
                change = by_pillow(stored) - by_pillow((tree / folder / file).read_bytes())
                assert 0 < np.abs(change).max() <= 8
                seen += 1
    assert seen == 20


def test_webdataset_reads_as_many_samples_as_the_manifest_states(job):
    manifest = json.loads(files(job.destination)["manifest.json"])
    for record in manifest["dataset"]["shards"]:
        found = by_webdataset([f"{job.destination}/{record['url']}"])
        assert len(found) == record["samples"] == sum(record["class_counts"].values())
        assert {"png", "cls"} <= found[0].keys()


def test_a_marker_tells_the_truth_of_its_shard(job):
    for name, data in shards_of(job.destination).items():
        marker = Folder(job.workspace).load(f"rewrite/{name}.json", ProtectedShard)
        assert (marker.bytes, marker.sha256, marker.name) == (len(data), sha256(data), name)
        assert marker.samples == marker.protected == 5
        assert 0 < marker.max_abs_change <= 8


def test_members_keys_and_order_of_tar_shards_stay_as_they_are(tmp_path):
    source = tar_source(tmp_path / "in")
    config = config_of(tmp_path, source)
    protect_all(config)
    found = shards_of(config.destination)
    assert found.keys() == shards_of(source).keys()
    for name, data in found.items():
        before, after = members((source / name).read_bytes()), members(data)
        assert [n.replace(".jpg", ".png") for n, _ in before] == [n for n, _ in after]
        for (old, original), (_, stored) in zip(before, after, strict=True):
            if old.endswith(".jpg"):
                assert 0 < np.abs(by_pillow(original) - by_pillow(stored)).max() <= 8
            else:
                assert stored == original


def test_the_source_is_never_written_to(tmp_path):
    source = tar_source(tmp_path / "in")
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in source.iterdir()}
    protect_all(config_of(tmp_path, source))
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in source.iterdir()} == before


def test_pictures_of_different_sizes_lie_in_one_shard_and_keep_their_sizes(tmp_path):
    source = folder_source(tmp_path / "in", per_class=3)
    folder_source(source, per_class=3, side=31, first=10)
    config = config_of(tmp_path, source, CLASS_WISE)
    protect_all(config)
    sizes = [by_pillow(d).shape[0] for s in shards_of(config.destination).values() for n, d in members(s) if "png" in n]
    assert sorted(sizes) == [8] * 6 + [31] * 6


@pytest.mark.parametrize("epsilon", [1, 16, 64])
def test_a_wider_budget_is_used_and_kept(tree, tmp_path, epsilon):
    config = config_of(tmp_path, tree, budget=NoiseBudget(epsilon=epsilon))
    assert protect_all(config).protection.max_abs_change == epsilon


def noises(config):
    """The change of every stored picture, by the name of its class."""
    names = json.loads(files(config.destination)["manifest.json"])["dataset"]["class_names"]
    originals = shards_of(f"{config.workspace}/dataset/shards")
    found = {}
    for shard, data in shards_of(config.destination).items():
        before, after = dict(members(originals[shard])), dict(members(data))
        for name in (name for name in after if name.endswith(".png")):
            label = int(after[name.replace(".png", ".cls")])
            found.setdefault(names[label], []).append(by_pillow(after[name]) - by_pillow(before[name]))
    return found


class TestPublicClasses:
    """Noise fitted on public data carries over to private classes by their names, or by a file."""

    @pytest.fixture
    def private(self, tmp_path):
        return folder_source(tmp_path / "of private", 4, ("Fire Truck", "sea-lion"))

    @pytest.fixture
    def public(self, tmp_path):
        return folder_source(tmp_path / "of public", 8, ("FIRE_TRUCK", "Sea Lion", "zebra"), side=12)

    def test_names_that_differ_by_case_and_punctuation_match(self, private, public, tmp_path):
        config = config_of(tmp_path, private, CLASS_WISE, public=SourceSpec(url=str(public)))
        protect_all(config)
        mapping = json.loads(files(config.workspace)["match/mapping.json"])
        assert mapping["how"] == "name"
        assert {m["private"]: m["public"] for m in mapping["matches"]} == {
            "Fire Truck": "FIRE_TRUCK",
            "sea-lion": "Sea Lion",
        }
        found = noises(config)
        for of_class in found.values():  # pictures without 0 or 255: nothing is clipped, all of a class are alike
            assert len(of_class) == 4
            assert all((one == of_class[0]).all() for one in of_class)
        assert (found["Fire Truck"][0] != found["sea-lion"][0]).any()

    def test_a_mapping_file_says_which_class_makes_the_noise(self, private, public, tmp_path):
        (tmp_path / "map.yaml").write_text("Fire Truck: Sea Lion\nsea-lion: FIRE_TRUCK\n")
        spec = SourceSpec(url=str(public))
        by_name = config_of(tmp_path / "a", private, CLASS_WISE, public=spec)
        swapped = config_of(tmp_path / "b", private, CLASS_WISE, public=spec, mapping=str(tmp_path / "map.yaml"))
        protect_all(by_name)
        protect_all(swapped)
        one, two = noises(by_name), noises(swapped)
        assert (one["Fire Truck"][0] == two["sea-lion"][0]).all()
        assert (one["sea-lion"][0] == two["Fire Truck"][0]).all()

    def test_a_class_without_a_public_match_is_refused_by_name(self, private, tmp_path):
        public = folder_source(tmp_path / "public", 4, ("fire truck", "zebra"))
        config = config_of(tmp_path, private, CLASS_WISE, public=SourceSpec(url=str(public)))
        with pytest.raises(ConfigurationError, match=r"no public class is called like sea-lion.*zebra.*--mapping"):
            protect_all(config)
        assert files(config.destination) == {}

    def test_a_class_that_gets_no_noise_needs_no_public_one(self, private, tmp_path):
        public = folder_source(tmp_path / "public", 4, ("fire truck", "zebra"))
        coverage = Coverage(classes=("Fire Truck",))
        config = config_of(tmp_path, private, CLASS_WISE, public=SourceSpec(url=str(public)), coverage=coverage)
        assert protect_all(config).protection.protected == 4
        found = noises(config)
        assert all(one.any() for one in found["Fire Truck"])
        assert not any(one.any() for one in found["sea-lion"])


class TestWholeOrNot:
    def test_a_shard_that_can_not_be_written_leaves_no_marker_and_no_part(self, tree, tmp_path, monkeypatch):
        config = config_of(tmp_path, tree)
        write = Folder.write

        def full(self, name, data, private=False):
            if name == "train-000002.tar" and self.url == config.destination:
                raise StorageError(f"can't write {name}: no space left", "free some space and run it again")
            write(self, name, data, private)

        monkeypatch.setattr(Folder, "write", full)
        with pytest.raises(StorageError, match="train-000002"):
            protect_all(config)
        assert "train-000002.tar" not in files(config.destination)
        assert "manifest.json" not in files(config.destination)
        assert "rewrite/train-000002.tar.json" not in files(config.workspace)

    def test_a_store_that_cuts_an_object_short_is_found_out(self, tree, tmp_path, monkeypatch):
        config = config_of(tmp_path, tree)
        write = Folder.write

        def cut(self, name, data, private=False):
            write(self, name, data[:-1] if self.url == config.destination else data, private)

        monkeypatch.setattr(Folder, "write", cut)
        with pytest.raises(StorageError, match="is not there in full"):
            protect_all(config)
        assert not [name for name in files(config.workspace) if name.startswith("rewrite/")]

    def test_a_shard_that_changed_since_it_was_indexed_is_refused(self, tmp_path, monkeypatch):
        source = tar_source(tmp_path / "in", shards=1)
        config = config_of(tmp_path, source)
        from tests.tasks.rewrite import helpers

        index = helpers.index

        def then_change(spec, place):
            found = index(spec, place)
            tar_source(source, shards=1, per_shard=3)
            return found

        monkeypatch.setattr(helpers, "index", then_change)
        with pytest.raises(DataError, match=r"train-000000\.tar changed since it was indexed"):
            protect_all(config)
