from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import DataError
from infra.storage import Folder
from schemas.dataset import DatasetManifest, ShardRecord, SizeRange, SourceSpec
from tasks.shard import source
from tasks.shard.index import make_index, merge
from tasks.shard.pictures import encode_png
from tasks.shard.sample import LARGEST_WORKING_SIZE, counts, load, quotas, shards_for, working_size
from tests.tasks.noise.helpers import CPU, KEY, OTHER

CLASSES = {"ant": 30, "bee": 12, "cow": 2}
COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=1)


def color(name, i):
    return (10 * list(CLASSES).index(name), i, 200)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """44 pictures of 10 x 12 in shards of 8: ants in the first four, cows at the very end."""
    tree, work = Folder(str(tmp_path_factory.mktemp("tree"))), Folder(str(tmp_path_factory.mktemp("work")))
    for name, count in CLASSES.items():
        for i in range(count):
            tree.write(f"{name}/{i:02d}.png", encode_png(np.full((10, 12, 3), color(name, i), np.uint8)))
    spec = SourceSpec(url=tree.url, shard_size=8)
    plan = source.plan(spec)
    return merge(spec, plan, [make_index(spec, unit, work, "i") for unit in plan.units])


def record(name, counts, side=32):
    sizes = None if side is None else SizeRange(min_height=side, max_height=side, min_width=side, max_width=side)
    fields = {"name": name, "url": name, "samples": sum(counts.values()), "bytes": 1, "sha256": "0" * 64}
    return ShardRecord(**fields, class_counts=counts, sizes=sizes)


def bare(shards):
    labels = tuple(sorted({label for shard in shards for label in shard.class_counts}))
    spec = SourceSpec(url="s")
    fields = {"source": spec, "format": "webdataset", "class_names": labels, "labels": labels, "quarantined": 0}
    return DatasetManifest(**fields, shards=tuple(shards))


class TestQuotas:
    @given(COUNTS, st.integers(1, 3000))
    def test_each_class_is_there_and_has_about_its_share(self, there, samples):
        wanted, total = quotas(Counter(there), samples), sum(there.values())
        assert wanted.keys() == there.keys()
        for label, count in there.items():
            assert 1 <= wanted[label] <= count
            assert abs(wanted[label] - min(1, samples / total) * count) <= 1
        assert sum(wanted.values()) <= samples + len(there)

    @given(COUNTS)
    def test_all_are_taken_when_all_are_asked_for_or_there_are_few(self, there):
        assert quotas(Counter(there), None) == there
        assert quotas(Counter(there), sum(there.values())) == there


class TestShards:
    def test_few_shards_are_read_when_few_samples_are_wanted(self):
        manifest = bare([record(f"{i:03d}.tar", {"0": 500, "1": 500}) for i in range(50)])
        assert len(shards_for(manifest, Counter({"0": 1000, "1": 1000}), KEY)) == 2

    @given(
        st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(1, 9), min_size=1), min_size=1, max_size=9),
        st.integers(1, 60),
    )
    def test_they_hold_what_is_wanted_and_none_is_read_in_vain(self, contents, samples):
        manifest = bare([record(f"{i}.tar", counts) for i, counts in enumerate(contents)])
        total = sum((Counter(counts) for counts in contents), Counter())
        wanted = quotas(total, samples)
        chosen = shards_for(manifest, wanted, KEY)
        held = sum((Counter(shard.class_counts) for shard in chosen), Counter())
        assert all(held[label] >= count for label, count in wanted.items())
        assert len({shard.name for shard in chosen}) == len(chosen)
        so_far = Counter()
        for shard in chosen:
            assert any(so_far[label] < wanted[label] for label in shard.class_counts)
            so_far.update(shard.class_counts)

    def test_which_ones_depends_on_the_key_alone(self):
        shards = [record(f"{i:03d}.tar", {"0": 5, "1": 5}) for i in range(50)]
        wanted = Counter({"0": 10, "1": 10})
        one, again, other = (
            {shard.name for shard in shards_for(bare(order), wanted, key)}
            for order, key in [(shards, KEY), (shards[::-1], KEY), (shards, OTHER)]
        )
        assert one == again
        assert one != other


class TestLoad:
    def test_all_pictures_come_with_their_labels_and_keys(self, manifest):
        data = load(manifest, 10, None, KEY, CPU)
        assert (data.images.shape, data.images.dtype) == ((44, 10, 10, 3), torch.uint8)
        assert data.classes == 3
        assert len(set(data.keys)) == 44
        assert Counter(data.labels.tolist()) == Counter({0: 30, 1: 12, 2: 2})
        # Each picture is of one colour, which tells its class.
        assert torch.equal(data.images[:, 0, 0, 0], (10 * data.labels).to(torch.uint8))
        shards = {shard.name for shard in manifest.shards}
        assert {key.split("/")[0] for key in data.keys} == shards

    @pytest.mark.parametrize("samples", [3, 10, 22])
    def test_a_sample_is_bounded_and_has_every_class(self, manifest, samples):
        data = load(manifest, 10, samples, KEY, CPU)
        assert set(data.labels.tolist()) == {0, 1, 2}
        assert abs(len(data.images) - samples) <= 3
        assert len(data.images) == len(data.labels) == len(data.keys) == len(set(data.keys))

    def test_some_classes_alone_keep_the_numbers_they_have_among_all(self, manifest):
        data = load(manifest, 10, None, KEY, CPU, {"cow", "bee"})
        assert Counter(data.labels.tolist()) == Counter({1: 12, 2: 2})
        assert data.classes == 3
        assert torch.equal(data.images[:, 0, 0, 0], (10 * data.labels).to(torch.uint8))
        few = load(manifest, 10, 7, KEY, CPU, ["bee", "cow"])
        assert Counter(few.labels.tolist()) == Counter({1: 6, 2: 1})

    def test_samples_are_counted_by_label_for_all_classes_or_some(self, manifest):
        assert counts(manifest) == Counter({"0": 30, "1": 12, "2": 2})
        assert counts(manifest, ("bee", "no such class")) == Counter({"1": 12})

    def test_the_same_key_takes_the_same_sample(self, manifest):
        one, again, other = (load(manifest, 10, 10, key, CPU) for key in (KEY, KEY, OTHER))
        assert one.keys == again.keys
        assert torch.equal(one.images, again.images)
        assert one.keys != other.keys

    def test_pictures_are_scaled_to_the_working_size(self, manifest):
        data = load(manifest, 16, 3, KEY, CPU)
        assert data.images.shape[1:] == (16, 16, 3)
        assert torch.equal(data.images[:, 15, 15, 0], (10 * data.labels).to(torch.uint8))

    def test_a_dataset_without_shards_is_an_error_that_names_it(self, manifest):
        empty = manifest.model_copy(update={"shards": ()})
        with pytest.raises(DataError, match="no picture to fit noise on") as caught:
            load(empty, 10, 5, KEY, CPU)
        assert manifest.source.url in str(caught.value)


class TestWorkingSize:
    def test_what_is_asked_for_is_taken(self):
        assert working_size(bare([record("a", {"0": 1}, 32)]), 48) == 48

    @pytest.mark.parametrize(("sides", "size"), [([32], 32), ([32, 32, 300], 32), ([500], 224), ([3], 8), ([28], 28)])
    def test_else_the_pictures_own_within_limits(self, sides, size):
        shards = [record(f"{i}.tar", {"0": 1}, side) for i, side in enumerate(sides)]
        assert working_size(bare(shards), None) == size
        assert size <= LARGEST_WORKING_SIZE

    def test_shards_without_a_size_do_not_count(self):
        assert working_size(bare([record("a", {"0": 1}, None), record("b", {"0": 1}, 40)]), None) == 40
