"""Which pictures a fit sees: private ones, public ones, or both as classes of one dataset."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import DataError
from tasks.noise.fit_data import Together, wanted_samples
from tasks.shard import sample
from tests.tasks.noise.helpers import CPU, KEY, METHODS, dataset

PRIVATE, PUBLIC = {"ant": 12, "bee": 6, "cow": 2}, {"bee": 20, "owl": 20}
CONTEXT = {"ant", "cow"}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return (
        dataset(tmp_path_factory.mktemp("private"), PRIVATE, 100),
        dataset(tmp_path_factory.mktemp("public"), PUBLIC, 200),
    )


def load(together, samples):
    return together.load(8, samples, KEY, CPU)


def names(together, data):
    return Counter(together.class_names[label] for label in data.labels.tolist())


class TestOneDataset:
    def test_private_pictures_alone_are_all_the_private_classes(self, both):
        alone = Together(both[0], None)
        data = load(alone, None)
        assert alone.class_names == ("ant", "bee", "cow")
        assert names(alone, data) == Counter(PRIVATE)
        assert alone.counts() == (20,)
        assert data.classes == 3
        assert set(data.images[..., 0].unique().tolist()) == {100}

    def test_public_pictures_alone_keep_their_names(self, both):
        alone = Together(None, both[1])
        data = load(alone, 10)
        assert alone.class_names == ("bee", "owl")
        assert names(alone, data) == Counter({"bee": 5, "owl": 5})
        assert not any(key.startswith("public/") for key in data.keys)

    def test_no_dataset_is_an_error(self):
        with pytest.raises(ValueError, match="dataset"):
            _ = Together(None, None).class_names


class TestContext:
    def test_private_classes_come_first_and_public_names_are_marked(self, both):
        together = Together(*both)
        assert together.class_names == ("ant", "bee", "cow", "public/bee", "public/owl")
        assert together.datasets == both

    def test_labels_are_those_of_the_classes(self, both):
        together = Together(*both)
        data = load(together, None)
        assert data.classes == 5
        assert names(together, data) == Counter({**PRIVATE, "public/bee": 20, "public/owl": 20})
        red, green = data.images[:, 0, 0, 0].to(torch.int64), data.images[:, 0, 0, 1].to(torch.int64) // 10
        public = data.labels >= 3
        assert torch.equal(red == 200, public)
        assert torch.equal(torch.where(public, green + 3, green), data.labels)

    def test_keys_of_public_pictures_are_marked(self, both):
        data = load(Together(*both), None)
        marked = torch.tensor([key.startswith("public/") for key in data.keys])
        assert torch.equal(marked, data.labels >= 3)
        assert len(set(data.keys)) == len(data.keys) == 60
        # A private sample is found by the key that it has without the public ones.
        assert {key for key in data.keys if not key.startswith("public/")} == set(
            load(Together(both[0], None), None).keys
        )

    def test_covered_classes_alone_have_pictures(self, both):
        together = Together(*both, CONTEXT)
        data = load(together, None)
        assert names(together, data) == Counter({"ant": 12, "cow": 2, "public/bee": 20, "public/owl": 20})
        assert data.classes == 5
        assert together.counts() == (14, 40)

    def test_a_public_class_is_not_left_out_for_its_name(self, both):
        together = Together(*both, {"ant"})
        assert names(together, load(together, None))["public/bee"] == 20

    def test_samples_are_shared_by_the_counts(self, both):
        together = Together(*both)
        data = load(together, 30)
        private = int((data.labels < 3).sum())
        assert abs(private - 10) <= 2
        assert abs(len(data.images) - 30) <= 5
        assert set(data.labels.tolist()) == set(range(5))

    def test_classes_that_nobody_has_are_an_error(self, both):
        with pytest.raises(DataError, match="no picture"):
            load(Together(*both, {"yak"}), 10)


@settings(deadline=None, max_examples=25)
@given(st.one_of(st.none(), st.integers(0, 80)), st.sampled_from([None, CONTEXT, {"bee"}]), st.integers(0, 2))
def test_it_tells_beforehand_how_many_it_will_load(both, samples, covered, which):
    private, public = both
    together = [Together(private, None), Together(None, public), Together(private, public, covered)][which]
    assert together.count(samples) == len(load(together, samples).images)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_fit_that_wants_none_reads_none(both, which, monkeypatch):
    monkeypatch.setattr(sample, "load", lambda *_: pytest.fail("a dataset was read"))
    together = [Together(both[0], None), Together(None, both[1]), Together(*both, CONTEXT)][which]
    data = load(together, 0)
    assert (data.images.shape, data.images.dtype) == ((0, 8, 8, 3), torch.uint8)
    assert (data.labels.tolist(), data.keys, data.size, data.classes) == ([], (), 8, len(together.class_names))


class TestWantedSamples:
    def test_joint_takes_all_and_the_others_a_bounded_sample(self, both):
        together = Together(*both)
        for name, method in METHODS.items():
            wanted = wanted_samples(method)
            if name.endswith("joint"):
                assert wanted is None
                assert together.count(wanted) == 60
            elif name.startswith("random"):
                assert wanted == together.count(wanted) == 0
            else:
                assert wanted == method.fit_samples
                bounded = wanted_samples(method.model_copy(update={"fit_samples": 20}))
                assert abs(together.count(bounded) - 20) <= 5
