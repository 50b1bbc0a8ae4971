"""One victim: seeded, counted right, and honest when its training falls apart."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from infra.checkpoint import Checkpoint
from infra.storage import Folder
from schemas.evaluate import EpochPoint
from schemas.recipe import TinyRecipe
from schemas.victims import ResNet18Victim, TinyVictim
from tasks.evaluate import kept, victim
from tasks.evaluate.data import Pictures
from tasks.evaluate.kept import KeptRun
from tasks.evaluate.tally import MOST
from tasks.evaluate.treatment import Treatment
from tasks.nn.batches import Resident
from tests.tasks.nn.helpers import easy

TINY = TinyVictim(widths=(4, 8, 8, 8), recipe=TinyRecipe(epochs=3, batch_size=16))
NARROW = ResNet18Victim(width=8)
PLAIN = Treatment()


def pictures(samples=60, classes=3, size=8, seed=0):
    images, labels = easy(samples, classes, size, seed)
    return Pictures(images, labels, tuple(f"s/{i}" for i in range(samples)), tuple("abcdef"[:classes]), 0)


def run(kind=TINY, seed=0, treatment=PLAIN, training=None, test=None, heard=None, kept=None):
    told = heard.append if heard is not None else lambda point: None
    training, test = training or pictures(), test or pictures(31, seed=1)
    shown = victim.Examination(test.images, test.labels, len(test.classes))
    return victim.run(kind, treatment, Resident(training.images, training.labels), shown, seed, told, kept)


def test_confusion_and_accuracy_of_a_run_agree():
    test = pictures(31, seed=1)
    result = run(test=test)
    confusion = np.array(result.confusion)
    assert confusion.shape == (3, 3)
    assert confusion.sum() == 31
    assert confusion.sum(axis=1).tolist() == torch.bincount(test.labels).tolist()
    assert 100 * confusion.trace() / 31 == pytest.approx(result.curve[-1].test_accuracy)
    assert result.per_class == tuple(zip(confusion.diagonal(), confusion.sum(axis=1), strict=True))


def test_of_many_classes_a_run_keeps_counts_by_class_and_little_between_epochs():
    many = MOST + 1
    images, labels = easy(31, 3)
    names = tuple(str(i) for i in range(many))
    test = Pictures(images, labels, tuple(f"s/{i}" for i in range(31)), names, 0)
    memory = Memory()
    result = run(test=test, kept=memory)
    assert result.confusion == result.peak_confusion == ()
    assert len(result.per_class) == len(result.peak_per_class) == many
    right, pictures = (sum(counts) for counts in zip(*result.per_class, strict=True))
    assert (100 * right / pictures, pictures) == (pytest.approx(result.curve[-1].test_accuracy), 31)
    assert 100 * sum(r for r, _ in result.peak_per_class) / 31 == pytest.approx(
        max(point.test_accuracy for point in result.curve)
    )
    assert all(len(json.dumps(notes)) < 10_000 for _, notes in memory.states)
    again = run(test=test, kept=Memory(memory.states[-1]))
    assert (again.per_class, again.peak_per_class) == (result.per_class, result.peak_per_class)


def test_every_epoch_is_told_as_it_ends():
    heard = []
    result = run(heard=heard)
    assert tuple(heard) == result.curve
    assert [point.epoch for point in heard] == [1, 2, 3]
    assert all(math.isfinite(p.loss) and 0 <= p.train_accuracy <= 100 for p in heard)
    assert not result.diverged
    assert result.seconds > 0
    assert isinstance(result.model, torch.nn.Module)


def test_easy_data_are_learned():
    recipe = TinyRecipe(epochs=8, batch_size=16)
    assert run(TINY.model_copy(update={"recipe": recipe})).curve[-1].test_accuracy > 90


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    one, again, other = run(seed=4), run(seed=4), run(seed=5)
    assert (one.curve, one.confusion) == (again.curve, again.confusion)
    assert one.curve != other.curve


def test_a_run_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    run()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_countermeasure_sees_the_training_batches_only_after_the_recipes_augmentation():
    seen = []

    def note(model, x, y, generator):
        seen.append((x.clone(), y.clone()))
        return x, y

    recipe = TinyRecipe(epochs=2, batch_size=16, crop_padding=2)
    run(TINY.model_copy(update={"recipe": recipe}), treatment=Treatment(change=note))
    assert [len(x) for x, _ in seen] == [16] * 6  # 60 pictures; none of the 31 that it is tested on
    cropped = torch.cat([x for x, _ in seen])
    assert (cropped == 0).any()  # no value of these pictures is 0 but the padding's


def test_what_a_countermeasure_does_to_a_batch_is_what_is_learnt():
    blinded = run(treatment=Treatment(change=lambda model, x, y, generator: (torch.zeros_like(x), y)))
    assert blinded.curve[-1].train_accuracy < 60
    assert blinded.curve != run().curve


def test_the_pictures_are_left_as_they_were():
    training, test = pictures(), pictures(31, seed=1)
    before = training.images.clone(), training.labels.clone(), test.images.clone()
    run(treatment=Treatment(change=lambda model, x, y, generator: (x.mul_(0.5), y)), training=training, test=test)
    after = training.images, training.labels, test.images
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_best_epoch_keeps_its_confusion_of_equals_the_first(monkeypatch):
    answers = [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]  # right answers: 1, 2, 2, 1
    truth = torch.tensor([0, 1, 1, 2])
    test = pictures(4)
    test = Pictures(test.images, truth, test.names, test.classes, 0)
    given = iter(answers)
    monkeypatch.setattr(victim.train, "predict", lambda model, images: torch.tensor(next(given)))
    result = run(TINY.model_copy(update={"recipe": TinyRecipe(epochs=4, batch_size=16)}), test=test)
    assert [point.test_accuracy for point in result.curve] == [25.0, 50.0, 50.0, 25.0]
    assert result.peak_confusion == ((1, 0, 0), (1, 1, 0), (1, 0, 0))
    assert result.confusion == ((1, 0, 0), (2, 0, 0), (1, 0, 0))
    assert result.peak_per_class == ((1, 1), (1, 2), (0, 1))
    assert result.per_class == ((1, 1), (0, 2), (0, 1))


def test_fewer_pictures_than_a_batch_and_a_single_test_picture_will_do():
    result = run(training=pictures(5), test=pictures(1))
    assert np.array(result.confusion).sum() == 1


def test_a_run_that_diverges_ends_early_says_so_and_is_read_again_from_its_record():
    wild = TINY.model_copy(update={"recipe": TinyRecipe(epochs=3, batch_size=16, lr=1e30)})
    result = run(wild)
    assert result.diverged
    assert len(result.curve) < 3
    assert np.array(result.confusion).sum() == 31
    last = result.curve[-1]
    point = EpochPoint(epoch=1, loss=last.loss, train_accuracy=last.train_accuracy, test_accuracy=last.test_accuracy)
    again = EpochPoint.model_validate_json(point.model_dump_json())
    assert not math.isfinite(again.loss)


@pytest.mark.parametrize(
    ("kind", "size"),
    [(TINY, 8), (TINY, 33), (ResNet18Victim(), 32), (ResNet18Victim(), 64), (NARROW, 32), (NARROW, 64)],
)
def test_every_victim_answers_for_every_class(kind, size):
    model = victim.build(kind, 5, size, seed=0).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, size, size)).shape == (2, 5)


def parameters(kind, size=32):
    return sum(each.numel() for each in victim.build(kind, 10, size, seed=0).parameters())


def test_a_narrow_resnet18_is_one_of_fewer_channels_and_the_standard_stays_what_it_was():
    assert parameters(ResNet18Victim()) == 11_173_962  # the CIFAR form's, as published
    assert parameters(ResNet18Victim(), 64) == 11_181_642  # torchvision's
    assert parameters(ResNet18Victim(width=32)) < 11_173_962 / 3.9
    assert parameters(ResNet18Victim(width=16), 64) == parameters(ResNet18Victim(width=16))
    for width in (7, 129):
        with pytest.raises(ValueError, match="width"):
            ResNet18Victim(width=width)


def test_a_narrow_resnet18_trains():
    narrow = NARROW.model_copy(update={"recipe": TinyRecipe(epochs=2, batch_size=16)})
    assert len(run(narrow).curve) == 2


def test_victims_have_a_name_that_tells_the_width():
    names = [each.name for each in (TinyVictim(), TINY, ResNet18Victim(), ResNet18Victim(width=16))]
    assert names == ["tiny", "tiny-w4-8-8-8", "resnet18", "resnet18-w16"]


class Memory:
    """Keeps every state in memory, and gives out the one of an epoch."""

    def __init__(self, state=None):
        self.states, self._state = [], state

    def due(self):
        return True

    def save(self, tensors, notes):
        self.states.append((tensors, json.loads(json.dumps(notes))))

    def load(self):
        return self._state


def end_of(result):
    """All that a run comes to, but for the time it took."""
    weights = {name: tensor.clone() for name, tensor in result.model.state_dict().items()}
    told = (result.curve, result.confusion, result.peak_confusion, result.per_class, result.peak_per_class)
    return told, weights


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
@pytest.mark.parametrize("kind", [TINY, NARROW])
def test_gone_on_with_after_any_epoch_it_is_the_run_that_was_not_stopped(schedule, kind):
    recipe = TinyRecipe(epochs=4, batch_size=16, schedule=schedule, crop_padding=1, flip=True)
    kind = kind.model_copy(update={"recipe": recipe})
    memory = Memory()
    expected, weights = end_of(run(kind, kept=memory))
    assert len(memory.states) == 3  # after the last epoch there is nothing to go on with
    for done, state in enumerate(memory.states, start=1):
        heard = []
        found, others = end_of(run(kind, kept=Memory(state), heard=heard))
        assert found == expected
        assert all(torch.equal(weights[name], others[name]) for name in weights)
        assert [point.epoch for point in heard] == list(range(done + 1, 5))


def test_the_time_before_the_stop_counts():
    memory = Memory()
    run(kept=memory)
    tensors, notes = memory.states[0]
    assert run(kept=Memory((tensors, notes | {"seconds": 1000.0}))).seconds > 1000


def test_a_state_of_another_network_counts_for_nothing():
    memory = Memory()
    run(NARROW.model_copy(update={"recipe": TINY.recipe}), kept=memory)
    assert end_of(run(kept=Memory(memory.states[0])))[0] == end_of(run())[0]


def test_a_state_that_an_earlier_version_kept_counts_for_nothing():
    memory = Memory()
    expected = end_of(run(kept=memory))[0]
    tensors, notes = memory.states[0]
    old = {name: notes[name] for name in ("curve", "seconds")} | {"confusion": [[1]], "peak_confusion": [[1]]}
    assert end_of(run(kept=Memory((tensors, old))))[0] == expected


def test_nothing_is_kept_when_it_is_not_due():
    memory = Memory()
    memory.due = lambda: False
    run(kept=memory)
    assert memory.states == []


def test_a_run_that_fell_apart_is_not_gone_on_with():
    wild = TINY.model_copy(update={"recipe": TinyRecipe(epochs=9, batch_size=16, lr=1e30)})
    memory = Memory()
    result = run(wild, kept=memory)
    assert result.diverged
    assert len(memory.states) == len(result.curve) - 1


def test_a_run_is_kept_when_the_last_time_is_long_enough_ago(tmp_path):
    checkpoint = Checkpoint(Folder(str(tmp_path)), "run", "this run")
    assert KeptRun(checkpoint, every=0).due()
    late = KeptRun(checkpoint, every=3600)
    assert not late.due()
    late.save({"a": torch.zeros(1)}, {"b": 1})
    assert KeptRun(checkpoint).load()[1] == {"b": 1}
    late.clear()
    assert late.load() is None


def test_where_writing_takes_long_a_run_is_kept_less_often(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(kept, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Far:
        def save(self, tensors, notes):
            now[0] += 3

    every, always = KeptRun(Far(), every=20), KeptRun(Far(), every=0)
    now[0] += 20
    assert every.due()
    for each in (every, always):
        each.save({}, {})
    now[0] += 50
    assert not every.due()
    assert always.due()
    now[0] += 10
    assert every.due()
