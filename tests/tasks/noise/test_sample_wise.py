import torch

from schemas.noise import ErrorMinimizing, NoiseBudget
from tasks.nn.batches import FitData, to_float
from tasks.noise.pgd import descent
from tasks.noise.sample_wise import SampleWise
from tests.tasks.noise.helpers import spec_of, trained_net

METHOD = ErrorMinimizing(steps=2, alpha=0.5, batch_size=10)


def data_of(count=25):
    _, images, labels = trained_net()
    return FitData(images[:count], labels[:count], tuple(str(i) for i in range(count)), 3)


def state_of(wanted, data, **spec):
    spec = spec_of(wanted, **spec)
    return SampleWise(wanted, spec, descent(spec.budget, wanted.alpha, wanted.steps), data)


def test_noise_starts_at_zero():
    state = state_of(METHOD, data_of())
    assert not state.look_up(torch.arange(25)).any()
    assert not state.snapshot().any()


def test_a_step_moves_each_samples_own_noise_by_pgd():
    model, data = trained_net()[0], data_of()
    state = state_of(METHOD, data)
    assert state.improve(model) == 2 * 25
    x = to_float(data.images)
    for start in (0, 10, 20):
        part = slice(start, start + 10)
        zeros = torch.zeros_like(x[part])
        delta = descent(NoiseBudget(epsilon=8), 0.5, 2)(model, x[part], data.labels[part], zeros, None)
        found = state.look_up(torch.arange(25)[part])
        assert (found - delta).abs().max() <= 0.5 / 255 + 1e-6
        assert found.abs().max() > 0


def test_a_second_step_goes_on_from_the_first():
    model, data = trained_net()[0], data_of()
    state = state_of(METHOD.model_copy(update={"alpha": 0.25}), data)
    state.improve(model)
    first = state.snapshot()
    state.improve(model)
    assert first.abs().max() == 4
    assert state.snapshot().abs().max() == 8


def test_noise_is_whole_steps_within_the_budget_and_the_pictures_range():
    data = data_of()
    state = state_of(METHOD, data, epsilon=3)
    state.improve(trained_net()[0])
    snapshot = state.snapshot()
    assert (snapshot.dtype, snapshot.shape) == (torch.int8, (25, 8, 8, 3))
    assert snapshot.abs().max() == 3
    stored = data.images.to(torch.int16) + snapshot
    assert stored.min() >= 0
    assert stored.max() <= 255


def test_a_snapshot_does_not_change_with_the_noise():
    state = state_of(METHOD, data_of())
    before = state.snapshot()
    state.improve(trained_net()[0])
    assert not before.any()


def test_l2_noise_of_a_sample_is_no_longer_than_the_budget():
    state = state_of(METHOD, data_of(), norm="l2", epsilon=30)
    for _ in range(3):
        state.improve(trained_net()[0])
        lengths = state.snapshot().to(torch.int64).square().sum((1, 2, 3))
        assert (lengths <= 30**2).all()
        assert (lengths > 0).all()


def test_it_goes_on_exactly_where_it_stood():
    model, data = trained_net()[0], data_of()
    running, other = state_of(METHOD, data, patch=4), state_of(METHOD, data, patch=4)
    running.improve(model)
    other.restore({name: tensor.clone() for name, tensor in running.state().items()})
    running.improve(model)
    other.improve(model)
    assert torch.equal(other.snapshot(), running.snapshot())
    assert running.snapshot().any()
