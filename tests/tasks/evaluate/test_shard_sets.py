"""Training pictures in their shards are those in memory: the same ones, of the same classes, from any layout."""

import gzip
import uuid

import pytest
import torch
from PIL import Image

from infra.errors import ConfigurationError, DataError
from infra.storage import Folder
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.evaluate import Beside, EvaluateConfig
from schemas.noise import NoiseBudget
from tasks.evaluate import originals, sets, shard_sets
from tasks.evaluate.streaming import Streamed
from tests.tasks.rewrite.helpers import RANDOM, config_of, folder_source, protect_all, tar_source
from tests.tasks.shard.helpers import encoded

CPU = torch.device("cpu")
HALF = Coverage(fraction=0.5)


@pytest.fixture(autouse=True)
def nothing_kept():
    sets.forget()


def spec(url, **fields):
    return SourceSpec(url=str(url), **fields)


def config_for(copy, clean, **fields):
    given = {"protected": (str(copy),), "clean": clean, "test": clean, "workspace": "w", "device": "cpu"}
    return EvaluateConfig(**{**given, "memory": "streamed", **fields})


def layouts(root):
    """Sources in every layout; each has what is not fit to be protected, where that can be."""
    folder = folder_source(root / "folder", per_class=12)
    (folder / "cat" / "broken.png").write_bytes(b"no picture")
    (folder / "dog" / "cut.png").write_bytes((folder / "dog" / "003.png").read_bytes()[:90])
    shards = tar_source(root / "tar", shards=3, per_shard=6, label="json")
    (shards / "classes.json").write_text('["left", "right"]')
    packed = tar_source(root / "gz", shards=3, per_shard=6)
    for file in list(packed.glob("*.tar")):
        (packed / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    large = folder_source(root / "large", per_class=4, side=20)
    folder_source(large, per_class=8, first=10)
    return {
        "folder": spec(folder, shard_size=5, max_bad_share=0.5),
        "tar": spec(shards, label_field="kind"),
        "gz": spec(packed),
        "limited": spec(packed, limit=13, shard_size=4),
        "sizes": spec(large, shard_size=7),
        "digits": spec("digits", limit=60, shard_size=25),
    }


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Each source, and a copy of it of which about half carries noise."""
    root = tmp_path_factory.mktemp("copies")
    found = {}
    for name, clean in layouts(root).items():
        job = config_of(root / f"{name}-copy", clean, coverage=HALF)
        protect_all(job)
        found[name] = config_for(job.destination, clean)
    return found


def bag(images, labels):
    return sorted((picture.numpy().tobytes(), label) for picture, label in zip(images, labels.tolist(), strict=True))


def read(shards, size=8):
    found = list(Streamed(shards.shards, size, CPU).epoch(1, torch.Generator().manual_seed(0)))
    return torch.cat([images for images, _ in found]), torch.cat([labels for _, labels in found])


@pytest.mark.parametrize("name", ["folder", "tar", "gz", "limited", "sizes", "digits"])
def test_streamed_are_the_very_pictures_that_would_be_loaded(copies, name):
    config = copies[name]
    (copy,) = config.protected
    for asked in [(None, "all", 0.0), *((copy, part, s) for part in ("all", "protected", "clean") for s in (0.0, 0.4))]:
        loaded = sets.training_set(config, *asked, 8)
        streamed = shard_sets.of(config, *asked, 8)
        assert sum(shard.samples for shard in streamed.shards) == len(loaded.images) > 0
        assert bag(*read(streamed)) == bag(loaded.images, loaded.labels)


def test_a_copy_in_another_filesystem_is_streamed_from_there(tmp_path):
    source = folder_source(tmp_path / "in", per_class=6)
    place = f"memory://{uuid.uuid4().hex}"
    job = config_of(tmp_path, source, destination=f"{place}/out", workspace=f"{place}/private")
    protect_all(job)
    config = config_for(job.destination, spec(source))
    loaded = sets.training_set(config, job.destination, "all", 0.0, 8)
    assert bag(*read(shard_sets.of(config, job.destination, "all", 0.0, 8))) == bag(loaded.images, loaded.labels)


def test_pictures_are_scaled_as_those_in_memory(copies):
    config = copies["sizes"]
    loaded = sets.training_set(config, config.protected[0], "all", 0.0, 12)
    found = read(shard_sets.of(config, config.protected[0], "all", 0.0, 12), 12)
    assert bag(*found) == bag(loaded.images, loaded.labels)


class TestDigest:
    def test_it_is_told_without_a_shard_being_read(self, copies, monkeypatch):
        config = copies["folder"]
        before = [shard_sets.of(config, copy, "all", 0.0, 8).digest for copy in (None, *config.protected)]
        sets.forget()
        monkeypatch.setattr(originals, "decode", lambda *_: pytest.fail("a picture was decoded"))
        monkeypatch.setattr(originals.source, "read", lambda *_: pytest.fail("a shard was read"))
        assert [shard_sets.of(config, copy, "all", 0.0, 8).digest for copy in (None, *config.protected)] == before

    def test_it_tells_apart_what_is_trained_on(self, copies):
        config = copies["folder"]
        (copy,) = config.protected
        asked = [(None, "all", 0.0), *((copy, part, s) for part in ("all", "protected", "clean") for s in (0.0, 0.4))]
        digests = [shard_sets.of(config, *one, 8).digest for one in asked]
        digests += [shard_sets.of(config, copy, "all", 0.0, 9).digest, sets.training_set(config, *asked[0], 8).digest()]
        assert len(set(digests)) == len(asked) + 2

    def test_other_noise_and_other_originals_give_another_one(self, tmp_path):
        source = folder_source(tmp_path / "in")
        digests = []
        for epsilon in (8, 16):
            job = config_of(tmp_path / str(epsilon), source, RANDOM, budget=NoiseBudget(epsilon=epsilon))
            protect_all(job)
            digests.append(shard_sets.of(config_for(job.destination, spec(source)), job.destination, "all", 0.0, 8))
        assert digests[0].digest != digests[1].digest
        config = config_for(job.destination, spec(source))
        before = shard_sets.of(config, None, "all", 0.0, 8).digest
        (source / "cat" / "000.png").write_bytes((source / "cat" / "001.png").read_bytes())
        sets.forget()
        assert shard_sets.of(config, None, "all", 0.0, 8).digest != before

    def test_a_copy_that_was_moved_keeps_it(self, tmp_path):
        source = folder_source(tmp_path / "in")
        job = config_of(tmp_path / "job", source)
        protect_all(job)
        (tmp_path / "job" / "out").rename(tmp_path / "moved")
        again = config_of(tmp_path / "job", source)
        protect_all(again)
        found = [
            shard_sets.of(config_for(place, spec(source)), str(place), "all", 0.0, 8).digest
            for place in (tmp_path / "moved", again.destination)
        ]
        assert found[0] == found[1]


class TestRefusals:
    def test_another_dataset_beside_the_copies_can_not_be_streamed(self, copies):
        config = copies["digits"]
        beside = config.model_copy(update={"beside": Beside(train=config.clean, test=config.clean)})
        with pytest.raises(ConfigurationError, match="can't be streamed") as caught:
            shard_sets.of(beside, None, "all", 0.0, 8)
        assert "set memory to resident" in caught.value.mend

    def test_copies_of_other_samples_are_refused(self, tmp_path):
        source = folder_source(tmp_path / "in")
        one, two = config_of(tmp_path / "1", source), config_of(tmp_path / "2", spec(source, limit=7))
        protect_all(one)
        protect_all(two)
        config = config_for(one.destination, spec(source), protected=(one.destination, two.destination))
        with pytest.raises(DataError, match="do not hold the same samples"):
            shard_sets.of(config, None, "all", 0.0, 8)

    def test_a_part_that_is_empty_is_refused(self, tmp_path):
        source = folder_source(tmp_path / "in")
        job = config_of(tmp_path, source)
        protect_all(job)
        with pytest.raises(DataError, match="holds no clean pictures"):
            shard_sets.of(config_for(job.destination, spec(source)), job.destination, "clean", 0.0, 8)

    def test_a_shard_that_changed_ends_the_epoch(self, tmp_path):
        source = folder_source(tmp_path / "in")
        job = config_of(tmp_path, source)
        protect_all(job)
        chosen = shard_sets.of(config_for(job.destination, spec(source)), job.destination, "all", 0.0, 8)
        name = next(name for name in Folder(job.destination).list() if name.endswith(".tar"))
        data = bytearray(Folder(job.destination).read(name))
        data[700] ^= 1
        Folder(job.destination).write(name, bytes(data))
        with pytest.raises(DataError, match="is not the one that its manifest records"):
            read(chosen)

    def test_an_original_that_is_gone_ends_the_epoch(self, tmp_path):
        source = folder_source(tmp_path / "in")
        job = config_of(tmp_path, source)
        protect_all(job)
        (source / "cat" / "000.png").unlink()
        config = config_for(job.destination, spec(source, shard_size=5))
        with pytest.raises(DataError, match="samples that the protected copy states"):
            read(shard_sets.of(config, None, "all", 0.0, 8))

    def test_originals_in_another_order_are_not_taken_for_the_copys(self, tmp_path):
        source = tar_source(tmp_path / "in")
        job = config_of(tmp_path, source)
        protect_all(job)
        other = tar_source(tmp_path / "other", first=7)
        for number in range(3):
            (other / f"train-{number + 7:06d}.tar").rename(other / f"train-{number:06d}.tar")
        pair = originals.both(job.destination, spec(other))
        with pytest.raises(DataError, match="does not stand at its place"):
            pair.changed("train-000000.tar")

    def test_a_class_that_the_copy_lacks_is_refused(self, tmp_path):
        source = folder_source(tmp_path / "in")
        job = config_of(tmp_path, source)
        protect_all(job)
        (source / "dog").rename(source / "emu")
        config = config_for(job.destination, spec(source))
        with pytest.raises(DataError, match="which is no class of the protected copy"):
            read(shard_sets.of(config, None, "all", 0.0, 8))


def test_what_carries_noise_is_told_at_the_size_that_is_stored(tmp_path):
    """One value of one picture differs: nothing that a small working size would show."""
    source = tmp_path / "in"
    (source / "cat").mkdir(parents=True)
    (source / "dog").mkdir()
    for name in ("cat/a", "dog/b"):
        (source / f"{name}.png").write_bytes(encoded(Image.new("RGB", (64, 64), (90, 90, 90))))
    job = config_of(tmp_path, source, coverage=Coverage(classes=("cat",)))
    protect_all(job)
    (flags,) = shard_sets.changed(job.destination, spec(source)).values()
    labels = sets.protected_set(job.destination, 8).labels
    assert flags.tolist() == (labels == 0).tolist()


@pytest.mark.parametrize("name", ["folder", "tar", "digits"])
@pytest.mark.parametrize("most", [1, 2, 8])
def test_examples_are_the_first_of_each_class(copies, name, most):
    config = copies[name]
    (copy,) = config.protected
    clean, stored = sets.clean_set(config, 8), sets.protected_set(copy, 8)
    places = [int((clean.labels == label).nonzero()[0]) for label in torch.unique(clean.labels)[:most]]
    before, after = shard_sets.examples(copy, config.clean, 8, most)
    assert torch.equal(torch.from_numpy(before), clean.images[places])
    assert torch.equal(torch.from_numpy(after), stored.images[places])


def test_pictures_to_show_come_from_the_smallest_shard_that_has_enough(tmp_path, monkeypatch):
    for number, samples in enumerate((12, 2, 4, 12)):
        tar_source(tmp_path / "in", 1, samples, first=number)
    config = config_of(tmp_path, tar_source(tmp_path / "in", 0))
    protect_all(config)
    read, one_of_each = [], originals.Both.one_of_each

    def noted(pair, shard, most):
        read.append(shard)
        return one_of_each(pair, shard, most)

    monkeypatch.setattr(originals.Both, "one_of_each", noted)
    before, after = shard_sets.of_one_shard(config.destination, config.source, 160, 3)
    assert read == ["train-000002.tar"]
    assert before.shape == after.shape == (2, 8, 8, 3)
    assert 0 < abs(before.astype(int) - after.astype(int)).max() <= 8
