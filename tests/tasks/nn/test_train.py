import itertools
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from infra import devices
from schemas.recipe import Recipe
from tasks.nn import augment
from tasks.nn import train as training
from tasks.nn.batches import Resident, to_float
from tasks.nn.train import Training, chain, predict, step
from tests.tasks.nn.helpers import easy, plan, small_net, train

CROPS = augment.of(Recipe(crop_padding=1))


def rates(monkeypatch, how):
    """Learning rates of all steps of a run of 48 pictures in batches of 16: three steps an epoch."""
    seen = []

    def record(model, optimizer, x, y, clip, draws):
        seen.append(optimizer.param_groups[0]["lr"])
        return torch.zeros(()), torch.zeros((), dtype=torch.int64)

    monkeypatch.setattr(training, "step", record)
    images, labels = easy()
    list(train(nn.Linear(1, 1), images, labels, how))
    return seen


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


class TestTraining:
    def test_a_seed_gives_one_run_bit_for_bit(self):
        images, labels = easy()
        runs = []
        for seed in (5, 5, 6):
            model = small_net()
            epochs = list(train(model, images, labels, plan(), CROPS, seed))
            runs.append((epochs, [p.detach().clone() for p in model.state_dict().values()]))
        (first, weights), (again, repeated), (_, other) = runs
        assert first == again
        assert same(weights, repeated)
        assert not same(weights, other)

    def test_it_is_the_plain_loop(self, monkeypatch):
        """Written out as one would: any change of the sums would change noise that was made before."""
        monkeypatch.setattr(devices, "fast_bf16", lambda kind: False)
        images, labels = easy()
        ours, plain = small_net(), small_net()
        (epoch, *_) = train(ours, images, labels, plan(epochs=1, nesterov=True), CROPS, seed=3)
        generator = torch.Generator().manual_seed(3)
        optimizer = torch.optim.SGD(plain.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
        losses = []
        plain.train()
        for chosen in torch.randperm(48, generator=generator).split(16):
            x, y = CROPS(plain, to_float(images[chosen]), labels[chosen], generator)
            loss = functional.cross_entropy(plain(x), y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(plain.parameters(), 5.0)
            optimizer.step()
            losses.append(float(loss.detach()))
        assert same(ours.state_dict().values(), plain.state_dict().values())
        assert epoch.loss == pytest.approx(sum(losses) / 3)

    def test_training_leaves_the_global_generator_alone(self):
        images, labels = easy()
        before = torch.get_rng_state()
        list(train(small_net(), images, labels, plan(epochs=1), CROPS, seed=1))
        assert torch.equal(torch.get_rng_state(), before)

    def test_easy_data_are_learned(self):
        images, labels = easy(96)
        model = small_net()
        epochs = list(train(model, images, labels, plan(epochs=8)))
        assert [e.epoch for e in epochs] == list(range(1, 9))
        assert epochs[-1].loss < 0.5 * epochs[0].loss
        assert epochs[-1].train_accuracy > 95
        test_images, test_labels = easy(96, seed=1)
        assert (predict(model, test_images) == test_labels).float().mean() > 0.95

    def test_a_loss_that_is_no_number_ends_the_run_and_is_told(self):
        images, labels = easy()
        batches = 0

        def poison(model, x, y, generator):
            nonlocal batches
            batches += 1
            return (x * math.nan if batches == 5 else x), y

        epochs = list(train(small_net(), images, labels, plan(epochs=6), poison))
        assert len(epochs) == 2
        assert math.isfinite(epochs[0].loss)
        assert not math.isfinite(epochs[1].loss)

    def test_accuracy_is_a_share_of_the_pictures_that_were_seen(self):
        images, labels = easy(40)
        for epoch in train(small_net(), images, labels, plan()):
            assert 0 <= epoch.train_accuracy <= 100
            right = epoch.train_accuracy * 32 / 100  # two batches of 16; the last 8 are left out
            assert right == pytest.approx(round(right), abs=1e-9)

    def test_fewer_pictures_than_a_batch_are_one_batch(self):
        images, labels = easy(6)
        epochs = list(train(small_net(), images, labels, plan(epochs=2, batch_size=64)))
        assert len(epochs) == 2
        assert math.isfinite(epochs[-1].loss)

    def test_the_pictures_stay_as_they_were(self):
        images, labels = easy()
        before = images.clone()
        list(train(small_net(), images, labels, plan(epochs=1), CROPS))
        assert torch.equal(images, before)

    def test_a_change_is_shown_the_network_and_its_draws_are_the_runs(self):
        images, labels = easy()
        model, seen = small_net(), []

        def note(given, x, y, generator):
            seen.append((given is model, float(torch.rand((), generator=generator))))
            return x, y

        list(train(model, images, labels, plan(epochs=1), note, seed=3))
        assert [given for given, _ in seen] == [True] * 3
        assert len({draw for _, draw in seen}) == 3

    def test_weights_that_ask_for_no_gradient_stay_as_they_were(self):
        images, labels = easy()
        model = small_net()
        model[0].requires_grad_(False)
        frozen = [p.clone() for p in model[0].parameters()]
        others = [p.clone() for p in model[2].parameters()]
        list(train(model, images, labels, plan(epochs=1)))
        assert same(frozen, model[0].parameters())
        assert not same(others, model[2].parameters())


def test_changes_are_done_one_after_the_other():
    x, y, generator = torch.zeros(1), torch.zeros(1), torch.Generator()
    both = chain(lambda m, x, y, g: (x + 1, y + 1), lambda m, x, y, g: (x * 2, y))
    assert [float(one) for one in both(None, x, y, generator)] == [2, 1]
    assert chain()(None, x, y, generator) == (x, y)


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

    def test_whole_shares_of_the_classes_are_the_classes(self, monkeypatch):
        monkeypatch.setattr(devices, "fast_bf16", lambda kind: False)
        images, labels = easy()
        found = []
        for y in (labels, functional.one_hot(labels, 3).float()):
            model = small_net()
            optimizer = training.sgd(model, lr=0.1, momentum=0, weight_decay=0)
            found.append((*step(model, optimizer, to_float(images), y, clip=5.0), model.state_dict()))
        (loss, right, weights), (other_loss, other_right, other_weights) = found
        assert loss == pytest.approx(float(other_loss))
        assert right == other_right
        assert all(torch.allclose(weights[name], other_weights[name], atol=1e-6) for name in weights)

    def test_of_mixed_classes_the_larger_share_is_the_right_one(self):
        answer = SimpleNamespace(step=lambda: None, zero_grad=lambda set_to_none: None)
        logits = nn.Parameter(torch.tensor([[0.0, 3.0], [0.0, 3.0]]))
        model = nn.Module()
        model.logits, model.forward = logits, lambda x: logits
        _, right = step(model, answer, torch.zeros(2), torch.tensor([[0.4, 0.6], [0.6, 0.4]]), clip=5.0)
        assert right == 1


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

    def test_in_steps_it_falls_to_a_tenth_after_three_quarters_and_again_after_nine_tenths(self, monkeypatch):
        found = rates(monkeypatch, plan(epochs=20, lr=1.0, schedule="steps"))
        assert found == pytest.approx([1.0] * 45 + [0.1] * 9 + [0.01] * 6)


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


def started(recipe, model=None, change=CROPS, seed=7):
    images, labels = easy()
    model = model or small_net()
    return model, Training(model, Resident(images, labels), recipe, change, seed)


def whole_state(run):
    return {name: tensor.clone() for name, tensor in run.state().items()}


class TestGoingOn:
    """A run that is stopped after any epoch and gone on with by another process is the run that was not stopped."""

    @pytest.mark.parametrize("fields", [{"momentum": 0.0}, {"nesterov": True}, {"momentum": 0.9}])
    @pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "steps"])
    def test_after_any_epoch_it_comes_to_the_same_end(self, schedule, fields):
        recipe = plan(epochs=4, schedule=schedule, **fields)
        _, unbroken = started(recipe)
        expected, states = [], []
        for epoch in unbroken.epochs():
            expected.append(epoch)
            states.append(whole_state(unbroken))
        for done, state in enumerate(states, start=1):
            model, other = started(recipe, small_net(seed=9), seed=99)
            assert other.restore(state)
            assert list(other.epochs()) == expected[done:]
            end = other.state()
            assert end.keys() == states[-1].keys()
            assert all(torch.equal(end[name], states[-1][name]) for name in end)
            assert all(p.is_contiguous(memory_format=torch.channels_last) for p in model.parameters() if p.dim() == 4)

    def test_a_state_stays_what_it_was_when_the_run_goes_on(self):
        _, run = started(plan(epochs=2))
        epochs = run.epochs()
        next(epochs)
        state = run.state()
        before = {name: tensor.clone() for name, tensor in state.items()}
        next(epochs)
        assert all(torch.equal(before[name], state[name]) for name in state)
        assert {"epochs", "generator", "momentum.0"} < state.keys()

    @pytest.mark.parametrize("damage", ["epochs", "generator", "a weight", "a shape", "a type", "momentum", "more"])
    def test_the_state_of_another_kind_of_run_is_refused_and_changes_nothing(self, damage):
        _, run = started(plan(epochs=1))
        list(run.epochs())
        state = run.state()
        weight = next(name for name in state if name.startswith("model."))
        if damage in state:
            del state[damage]
        elif damage == "a weight":
            del state[weight]
        elif damage == "a shape":
            state[weight] = state[weight][:1]
        elif damage == "a type":
            state[weight] = state[weight].double()
        elif damage == "momentum":
            state["momentum.0"] = state["momentum.0"][:1]
        else:
            state["momentum.99"] = state["momentum.0"]
        _, other = started(plan(epochs=1), small_net(seed=2))
        before = other.state()
        assert not other.restore(state)
        assert all(torch.equal(before[name], tensor) for name, tensor in other.state().items())
