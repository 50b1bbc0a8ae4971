"""The backdoor test: who is shown what, and how obedience is counted."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from infra.errors import ConfigurationError
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig
from schemas.noise import NoiseBudget, RandomNoise
from tasks.evaluate import backdoor, recovery, sets
from tasks.evaluate.data import Pictures
from tasks.evaluate.triggers import Triggers
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 200), st.integers(2, 12), st.integers(0, 2**20))
def test_targets_are_other_classes_that_have_noise(count, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    known = torch.rand(classes, generator=generator) < 0.5
    places, targets = backdoor.targets(labels, known)
    assert (targets != labels[places]).all()
    assert known[targets].all()
    others = known.sum() - known[labels].long()
    assert places.tolist() == (others > 0).nonzero().flatten().tolist()


def test_targets_are_drawn_evenly_and_alike_each_time():
    labels, known = torch.zeros(6000, dtype=torch.int64), torch.tensor([True, True, False, True, True])
    _, targets = backdoor.targets(labels, known)
    counts = torch.bincount(targets, minlength=5)
    assert counts[[0, 2]].tolist() == [0, 0]
    assert ((counts[[1, 3, 4]] - 2000).abs() < 150).all()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert torch.equal(backdoor.targets(labels, known)[1], targets)
    assert not torch.equal(backdoor.targets(labels, known, seed=1)[1], targets)
    assert torch.equal(torch.get_rng_state(), before)


def gray(count=90, classes=3):
    images = torch.full((count, 6, 6, 3), 100, dtype=torch.uint8)
    return Pictures(images, torch.arange(count) % classes, tuple(map(str, range(count))), tuple("abc")[:classes], 0)


def channels():
    """The noise of class k makes channel k brighter."""
    return Triggers((60 * torch.eye(3, dtype=torch.int16))[:, None, None].expand(3, 6, 6, 3).contiguous(), known=ALL)


def answering(weight, bias=(0.0, 0.0, 0.0)):
    """A victim whose logits are a linear map of a picture's mean colour."""
    linear = nn.Linear(3, 3)
    with torch.no_grad():
        linear.weight.copy_(torch.as_tensor(weight))
        linear.bias.copy_(torch.as_tensor(bias))
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)


ALL = torch.ones(3, dtype=torch.bool)


def test_a_victim_that_obeys_does_so_every_time():
    found = backdoor.examine(answering(torch.eye(3)), gray(), channels(), "copy")
    assert (found.trigger, found.pictures, found.success) == ("copy", 90, 100)


def test_a_victim_that_goes_against_it_never_does():
    assert backdoor.examine(answering(-torch.eye(3)), gray(), channels(), "copy").success == 0


def test_a_victim_that_always_gives_one_answer_is_right_by_chance():
    pictures = gray()
    _, targets = backdoor.targets(pictures.labels, ALL)
    found = backdoor.examine(answering(torch.zeros(3, 3), (1.0, 0.0, 0.0)), pictures, channels(), "copy")
    assert found.success == pytest.approx(100 * float((targets == 0).float().mean()))
    assert 0 < found.success < 100


def test_many_pictures_are_shown_a_part_at_a_time(monkeypatch):
    whole = backdoor.examine(answering([[1, 0, 0], [0, 2, 0], [0, 0, 0.5]]), gray(), channels(), "copy")
    monkeypatch.setattr(backdoor, "_CHUNK_VALUES", 1000)
    assert backdoor.examine(answering([[1, 0, 0], [0, 2, 0], [0, 0, 0.5]]), gray(), channels(), "copy") == whole


def test_pictures_of_the_only_class_with_noise_are_left_out():
    one = Triggers(channels().noise, torch.tensor([False, True, False]))
    found = backdoor.examine(answering(torch.eye(3)), gray(), one, "copy")
    assert (found.pictures, found.success) == (60, 100)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Copies of one source: two class-wise ones, one sample-wise, and one of a single class."""
    root = tmp_path_factory.mktemp("copies")
    source = folder_source(root / "in")
    class_wise, sample_wise = RandomNoise(form="class-wise"), RandomNoise(form="sample-wise")
    protect_all(config_of(root / "first", source, class_wise))
    protect_all(config_of(root / "second", source, class_wise, budget=NoiseBudget(epsilon=16)))
    protect_all(config_of(root / "other", source, sample_wise))
    protect_all(config_of(root / "one", source, class_wise, coverage=Coverage(classes=("cat",))))
    return root


class TestOfAnEvaluation:
    @pytest.fixture(autouse=True)
    def nothing_kept(self):
        sets.forget()
        recovery.forget()

    def config(self, place, names, test="in"):
        spec = SourceSpec(url=str(place / "in"))
        copies = tuple(str(place / name / "out") for name in names)
        test = SourceSpec(url=str(place / test))
        return EvaluateConfig(protected=copies, clean=spec, test=test, workspace=str(place / "w"), backdoor=True)

    def test_each_copy_has_its_own_trigger_and_the_clean_victim_is_shown_all_of_them(self, place):
        config = self.config(place, ["first", "other", "second"])
        first, other, second = config.protected
        assert backdoor.copies_for(config, first) == (first,)
        assert backdoor.copies_for(config, other) == ()
        assert backdoor.copies_for(config, None) == (first, second)

    def test_good_copies_pass(self, place):
        backdoor.check(self.config(place, ["first", "other"]), 8)

    def test_without_a_class_wise_copy_there_is_nothing_to_test(self, place):
        with pytest.raises(ConfigurationError, match=r"no copy is class-wise; give one .*--form class-wise"):
            backdoor.check(self.config(place, ["other"]), 8)

    def test_noise_of_one_class_needs_pictures_of_another(self, place):
        backdoor.check(self.config(place, ["one"]), 8)
        folder_source(place / "cats", classes=("cat",))
        with pytest.raises(ConfigurationError, match="no test picture has a class other than the only one that has no"):
            backdoor.check(self.config(place, ["one"], test="cats"), 8)
