import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from schemas.noise import ErrorMinimizing
from tasks.nn.batches import FitData, to_float
from tasks.noise.budget import within
from tasks.noise.class_wise import ClassWise, stratified
from tasks.noise.pgd import descent
from tests.tasks.noise.helpers import spec_of, trained_net


def data_of(count=24, classes=4):
    """Classes 0, 1 and 2 with unequal counts; class 3 has no sample."""
    _, images, labels = trained_net()
    keep = torch.tensor([i for i in range(len(labels)) if labels[i] != 2 or i % 2])[:count]
    return FitData(images[keep], labels[keep], tuple(str(i) for i in range(count)), classes)


def method(**changes):
    return ErrorMinimizing(form="class-wise", **{"subset": 1.0, "batch_size": 64, "steps": 2, "alpha": 0.3, **changes})


def state_of(wanted, data, seed=0, **spec):
    spec = spec_of(wanted, **spec)
    return ClassWise(wanted, spec, descent(spec.budget, wanted.alpha, wanted.steps), data, seed)


def naive(model, data, noise, epsilon, alpha, steps):
    """Class noise after one batch, a sample at a time: its own PGD from its class's noise, then the class's mean."""
    own = {label: [] for label in range(data.classes)}
    for image, label in zip(to_float(data.images), data.labels, strict=True):
        moved = (image + noise[label]).clamp(0, 1)
        for _ in range(steps):
            moved.requires_grad_(True)
            (gradient,) = torch.autograd.grad(functional.cross_entropy(model(moved[None]), label[None]), moved)
            moved = (moved - alpha * gradient.sign()).detach()
            moved = torch.minimum(torch.maximum(moved, image - epsilon), image + epsilon).clamp(0, 1)
        own[int(label)].append(moved - image)
    means = [torch.stack(etas).mean(0) if etas else noise[label] for label, etas in own.items()]
    return torch.stack(means).clamp(-epsilon, epsilon)


def test_a_step_takes_the_mean_of_each_samples_own_noise(fp32):
    model = trained_net()[0]
    data = data_of()
    state = state_of(method(), data)
    noise = torch.zeros(4, 3, 8, 8)
    for _ in range(2):  # from zeros, then from noise that is there
        assert state.improve(model) == 2 * 24
        noise = naive(model, data, noise, 8 / 255, 0.3 * 8 / 255, steps=2)
        found = state._noise
        # A gradient of nearly zero may have either sign, in few places.
        assert ((found - noise).abs() < 1e-5).float().mean() > 0.995
        assert found.abs().max() <= 8 / 255 + 1e-7
        noise = found.clone()
    assert len(noise[:3].unique()) > 10, "the means of signed steps are not steps themselves"
    assert torch.equal(state.look_up(torch.arange(4)), noise[data.labels[:4]])


def test_a_class_that_is_absent_keeps_its_noise():
    data = data_of()
    state = state_of(method(), data)
    state._noise[3] = 0.02
    state.improve(trained_net()[0])
    assert torch.all(state._noise[3] == torch.tensor(0.02))
    assert all(state._noise[label].abs().max() > 0 for label in range(3))


def test_classes_in_batches_of_their_own_keep_what_the_others_made(fp32):
    model = trained_net()[0]
    data = data_of(12)
    one = FitData(data.images[data.labels == 1], data.labels[data.labels == 1], data.keys, 4)
    alone, together = state_of(method(), one), state_of(method(batch_size=1), data)
    alone.improve(model)
    together.improve(model)
    assert alone._noise[0].abs().max() == 0
    assert all(together._noise[label].abs().max() > 0 for label in range(3))


@settings(deadline=None, max_examples=40)
@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=40),
    laid=st.sampled_from([{}, {"patch": 3}, {"norm": "l2", "epsilon": 40}]),
    seed=st.integers(0, 99),
)
def test_taking_the_means_of_the_batchs_classes_gives_the_bits_of_taking_all(labels, laid, seed):
    data = data_of(classes=7)
    state = state_of(method(), data, **laid)
    generator, side = torch.Generator().manual_seed(seed), laid.get("patch", 8)
    before = torch.randn(7, 3, side, side, generator=generator) / 20
    eta = (torch.randn(len(labels), 3, side, side, generator=generator) / 20).to(memory_format=torch.channels_last)
    state._noise.copy_(before)
    state._take_means(eta, torch.tensor(labels))
    sums = torch.zeros_like(state._noise).index_add_(0, torch.tensor(labels), eta)
    counts = torch.bincount(torch.tensor(labels), minlength=7).view(-1, 1, 1, 1)
    means = within(sums / counts.clamp(min=1), state._spec.budget)
    assert torch.equal(state._noise, torch.where(counts > 0, means, before))


def test_noise_starts_at_zero_and_is_handed_over_in_whole_steps():
    data = data_of()
    state = state_of(method(), data)
    assert not state.look_up(torch.arange(24)).any()
    state.improve(trained_net()[0])
    snapshot = state.snapshot()
    assert (snapshot.dtype, snapshot.shape) == (torch.int8, (4, 3, 8, 8))
    assert snapshot.abs().max() <= 8
    assert ((snapshot / 255 - state._noise).abs() <= 0.5 / 255 + 1e-6).all()


def test_a_noise_step_runs_over_a_share_of_the_samples():
    state = state_of(method(subset=0.25, steps=3), data_of())
    passes = state.improve(trained_net()[0])
    assert passes % 3 == 0
    assert 3 <= passes // 3 <= 9


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=80),
    st.floats(0.01, 1),
    st.integers(0, 99),
)
def test_a_stratified_share_has_every_class(labels, share, seed):
    chosen = stratified(torch.tensor(labels), share, torch.Generator().manual_seed(seed)).tolist()
    assert len(set(chosen)) == len(chosen)
    for label in set(labels):
        taken = sum(labels[i] == label for i in chosen)
        assert 1 <= taken <= labels.count(label)
        assert abs(taken - share * labels.count(label)) <= 1


def test_which_samples_are_in_a_share_depends_on_the_seed():
    labels = torch.arange(200) % 4
    one, again, other = (stratified(labels, 0.2, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert set(one.tolist()) != set(other.tolist())


def test_l2_noise_of_a_class_is_no_longer_than_the_budget():
    state = state_of(method(), data_of(), norm="l2", epsilon=30)
    for _ in range(3):
        state.improve(trained_net()[0])
    lengths = state._noise.flatten(1).norm(dim=1)
    assert (lengths <= 30 / 255 * (1 + 1e-5)).all()
    assert (lengths[:3] > 0).all()
    assert all(int(one.to(torch.int64).square().sum()) <= 30**2 for one in state.snapshot())


def test_it_goes_on_exactly_where_it_stood():
    model, data = trained_net()[0], data_of()
    for patch in (None, 3):
        running = state_of(method(subset=0.5, batch_size=4), data, patch=patch)
        running.improve(model)
        state = {name: tensor.clone() for name, tensor in running.state().items()}
        running.improve(model)
        other = state_of(method(subset=0.5, batch_size=4), data, patch=patch)
        other.restore(state)
        other.improve(model)
        assert torch.equal(other._noise, running._noise)
        assert torch.equal(other.look_up(torch.arange(9)), running.look_up(torch.arange(9)))


def test_whole_steps_are_truncated_where_that_is_asked_for():
    model, data = trained_net()[0], data_of()
    rounded, published = state_of(method(), data), state_of(method(), data, arithmetic="as-published")
    for state in (rounded, published):
        state.improve(model)
    assert torch.equal(published._noise, rounded._noise)
    assert torch.equal(published.snapshot(), (published._noise * 255).trunc().to(torch.int8))
    assert not torch.equal(published.snapshot(), rounded.snapshot())
