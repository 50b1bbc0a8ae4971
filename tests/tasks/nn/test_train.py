import itertools
import math

import pytest
import torch
from torch import nn

from infra import devices
from tasks.nn import train as training
from tasks.nn.augment import standard
from tasks.nn.batches import to_float
from tasks.nn.train import predict, step, train
from tests.tasks.nn.helpers import easy, plan, small_net, unchanged


def augment(x, generator):
    return standard(x, generator, crop_padding=1, flips=True)


def rates(monkeypatch, how):
    """Learning rates of all steps of a run of 48 pictures in batches of 16: three steps an epoch."""
    seen = []

    def record(model, optimizer, x, y, clip):
        seen.append(optimizer.param_groups[0]["lr"])
        return torch.zeros(()), torch.zeros((), dtype=torch.int64)

    monkeypatch.setattr(training, "step", record)
    images, labels = easy()
    list(train(nn.Linear(1, 1), images, labels, how, unchanged, seed=0))
    return seen


class TestTrain:
    def test_a_seed_gives_one_run_bit_for_bit(self):
        images, labels = easy()
        runs = []
        for seed in (5, 5, 6):
            model = small_net()
            epochs = list(train(model, images, labels, plan(), augment, seed))
            runs.append((epochs, [p.detach().clone() for p in model.state_dict().values()]))
        (first, weights), (again, same), (_, other) = runs
        assert first == again
        assert all(torch.equal(a, b) for a, b in zip(weights, same, strict=True))
        assert not all(torch.equal(a, b) for a, b in zip(weights, other, strict=True))

    def test_training_leaves_the_global_generator_alone(self):
        images, labels = easy()
        before = torch.get_rng_state()
        list(train(small_net(), images, labels, plan(epochs=1), augment, seed=1))
        assert torch.equal(torch.get_rng_state(), before)

    def test_easy_data_are_learned(self):
        images, labels = easy(96)
        model = small_net()
        epochs = list(train(model, images, labels, plan(epochs=8), unchanged, seed=0))
        assert [e.epoch for e in epochs] == list(range(1, 9))
        assert epochs[-1].loss < 0.5 * epochs[0].loss
        assert epochs[-1].train_accuracy > 95
        test_images, test_labels = easy(96, seed=1)
        assert (predict(model, test_images) == test_labels).float().mean() > 0.95

    def test_a_loss_that_is_no_number_ends_the_run_and_is_told(self):
        images, labels = easy()
        batches = 0

        def poison(x, generator):
            nonlocal batches
            batches += 1
            return x * math.nan if batches == 5 else x

        epochs = list(train(small_net(), images, labels, plan(epochs=6), poison, seed=0))
        assert len(epochs) == 2
        assert math.isfinite(epochs[0].loss)
        assert not math.isfinite(epochs[1].loss)

    def test_accuracy_is_a_share_of_the_pictures_that_were_seen(self):
        images, labels = easy(40)
        for epoch in train(small_net(), images, labels, plan(), unchanged, seed=0):
            assert 0 <= epoch.train_accuracy <= 100
            right = epoch.train_accuracy * 32 / 100  # two batches of 16; the last 8 are left out
            assert right == pytest.approx(round(right), abs=1e-9)

    def test_fewer_pictures_than_a_batch_are_one_batch(self):
        images, labels = easy(6)
        epochs = list(train(small_net(), images, labels, plan(epochs=2, batch_size=64), unchanged, seed=0))
        assert len(epochs) == 2
        assert math.isfinite(epochs[-1].loss)

    def test_the_pictures_stay_as_they_were(self):
        images, labels = easy()
        before = images.clone()
        list(train(small_net(), images, labels, plan(epochs=1), augment, seed=0))
        assert torch.equal(images, before)


class TestStep:
    def test_a_step_goes_against_the_gradient(self, monkeypatch):
        monkeypatch.setattr(devices, "fast_bf16", lambda kind: False)
        images, labels = easy()
        model, x = small_net(), to_float(images)
        optimizer = training.sgd(model, lr=0.01, momentum=0, weight_decay=0)
        first, right = step(model, optimizer, x, labels, clip=5.0)
        second, _ = step(model, optimizer, x, labels, clip=5.0)
        assert second < first
        assert 0 <= right <= len(labels)

    def test_a_gradient_is_clipped_to_its_norm(self):
        images, labels = easy()
        model, before = small_net(), small_net()
        optimizer = training.sgd(model, lr=1.0, momentum=0, weight_decay=0)
        step(model, optimizer, to_float(images), labels, clip=1e-3)
        pairs = zip(model.parameters(), before.parameters(), strict=True)
        moved = math.sqrt(sum(float((a - b).detach().square().sum()) for a, b in pairs))
        assert moved == pytest.approx(1e-3, rel=0.02)


class TestLearningRate:
    def test_it_can_be_constant(self, monkeypatch):
        assert rates(monkeypatch, plan(epochs=2, lr=0.3)) == [0.3] * 6

    def test_it_falls_along_a_cosine_by_epoch(self, monkeypatch):
        found = rates(monkeypatch, plan(epochs=4, lr=2.0, schedule="cosine"))
        expected = [1 + math.cos(math.pi * epoch / 4) for epoch in range(4) for _ in range(3)]
        assert found == pytest.approx(expected)
        assert found[:3] == pytest.approx([2, 2, 2])

    def test_one_cycle_rises_for_a_quarter_and_falls_to_nothing_by_step(self, monkeypatch):
        found = rates(monkeypatch, plan(epochs=4, lr=1.0, schedule="one-cycle"))
        assert found[0] == pytest.approx(0.04)
        assert found[3] == pytest.approx(1)
        assert max(found) == found[3]
        changes = [b - a for a, b in itertools.pairwise(found)]
        assert changes == pytest.approx([0.32] * 3 + [-1 / 9] * 8)
        assert found[-1] == pytest.approx(1 / 9)


class TestPredict:
    def test_it_answers_for_every_picture_in_order(self):
        images, labels = easy(1001, size=4)
        brightest = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        assert torch.equal(predict(brightest, images), labels)

    def test_it_uses_and_keeps_the_running_statistics(self):
        images, _ = easy()
        model = small_net().train()
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        alone = torch.cat([predict(model, one[None]) for one in images[:10]])
        assert torch.equal(alone, predict(model, images)[:10])
        assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
