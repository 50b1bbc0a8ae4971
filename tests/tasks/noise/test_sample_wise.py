import torch

from schemas.noise import ErrorMinimizing
from tasks.nn.batches import to_float
from tasks.noise.fitted import FitData
from tasks.noise.pgd import minimise
from tasks.noise.sample_wise import SampleWise
from tests.tasks.noise.helpers import trained_net

METHOD = ErrorMinimizing(steps=2, alpha=0.5, batch_size=10)


def data_of(count=25):
    _, images, labels = trained_net()
    return FitData(images[:count], labels[:count], tuple(str(i) for i in range(count)), 3)


def test_noise_starts_at_zero():
    state = SampleWise(METHOD, 8, data_of())
    assert not state.look_up(torch.arange(25)).any()
    assert not state.snapshot().any()


def test_a_step_moves_each_samples_own_noise_by_pgd():
    model, data = trained_net()[0], data_of()
    state = SampleWise(METHOD, 8, data)
    assert state.improve(model) == 2 * 25
    x = to_float(data.images)
    for start in (0, 10, 20):
        part = slice(start, start + 10)
        zeros = torch.zeros_like(x[part])
        step = {"epsilon": 8 / 255, "alpha": 4 / 255, "steps": 2}
        delta = minimise(model, x[part], data.labels[part], zeros, **step)
        found = state.look_up(torch.arange(25)[part])
        assert (found - delta).abs().max() <= 0.5 / 255 + 1e-6
        assert found.abs().max() > 0


def test_a_second_step_goes_on_from_the_first():
    model, data = trained_net()[0], data_of()
    state = SampleWise(METHOD.model_copy(update={"alpha": 0.25}), 8, data)
    state.improve(model)
    first = state.snapshot()
    state.improve(model)
    assert first.abs().max() == 4
    assert state.snapshot().abs().max() == 8


def test_noise_is_whole_steps_within_the_budget_and_the_pictures_range():
    data = data_of()
    state = SampleWise(METHOD, 3, data)
    state.improve(trained_net()[0])
    snapshot = state.snapshot()
    assert (snapshot.dtype, snapshot.shape) == (torch.int8, (25, 8, 8, 3))
    assert snapshot.abs().max() == 3
    stored = data.images.to(torch.int16) + snapshot
    assert stored.min() >= 0
    assert stored.max() <= 255


def test_a_snapshot_does_not_change_with_the_noise():
    state = SampleWise(METHOD, 8, data_of())
    before = state.snapshot()
    state.improve(trained_net()[0])
    assert not before.any()
