import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from schemas.noise import NoiseBudget
from tasks.nn.batches import to_float
from tasks.noise.pgd import ascent, descent, error_and_loss, input_gradient
from tests.tasks.nn.helpers import small_net
from tests.tasks.noise.helpers import trained_net

ANY = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


def loss_of(model, x, y):
    with torch.no_grad():
        return functional.cross_entropy(model(x), y, reduction="none")


def run(solver, model, x, y, delta=None, mask=None):
    return solver(model, x, y, torch.zeros_like(x) if delta is None else delta, mask)


EIGHT = NoiseBudget(epsilon=8)


@ANY
@given(
    st.sampled_from([descent, ascent]),
    st.sampled_from(["linf", "l2"]),
    st.integers(1, 64),
    st.floats(0.01, 2),
    st.integers(1, 4),
    st.integers(0, 99),
)
def test_noise_stays_within_the_budget_and_the_picture_within_its_range(way, norm, epsilon, part, steps, seed):
    model = trained_net()[0]
    generator = torch.Generator().manual_seed(seed)
    x = (torch.rand(3, 3, 8, 8, generator=generator) * 1.6 - 0.3).clamp(0, 1)
    begin = (torch.rand(3, 3, 8, 8, generator=generator) * 2 - 1) * 2 * epsilon / 255
    before = x.clone(), begin.clone()
    delta = run(way(NoiseBudget(norm=norm, epsilon=epsilon), part, steps), model, x, torch.arange(3), begin)
    size = delta.abs().max() if norm == "linf" else delta.flatten(1).norm(dim=1).max()
    assert size <= epsilon / 255 * (1 + 1e-5)
    assert (x + delta).min() >= 0
    assert (x + delta).max() <= 1
    assert delta.abs().max() > 0
    assert torch.equal(x, before[0])
    assert torch.equal(begin, before[1])


@pytest.mark.parametrize("budget", [EIGHT, NoiseBudget(norm="l2", epsilon=60)], ids=["linf", "l2"])
def test_descent_brings_the_loss_down_for_nearly_every_picture_and_ascent_up(fp32, budget):
    model, images, labels = trained_net()
    x = to_float(images)
    wrong = (labels + 1) % 3  # noise for another class has further to go
    before = loss_of(model, x, wrong)
    after = loss_of(model, x + run(descent(budget, 0.25, 5), model, x, wrong), wrong)
    assert (after < before).float().mean() > 0.98
    assert after.mean() < 0.9 * before.mean()
    after = loss_of(model, x + run(ascent(budget, 0.25, 5), model, x, wrong), wrong)
    assert (after > before).float().mean() > 0.98
    assert after.mean() > 1.1 * before.mean()


def test_more_steps_bring_it_further_down(fp32):
    model, images, labels = trained_net()
    x, wrong = to_float(images), (labels + 1) % 3
    means = [loss_of(model, x, wrong).mean()]
    for steps in (1, 4):
        delta = run(descent(EIGHT, 0.25, steps), model, x, wrong)
        means.append(loss_of(model, x + delta, wrong).mean())
    assert means[0] > means[1] > means[2]


def gradient_of(model, x, labels):
    leaf = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(functional.cross_entropy(model(leaf), labels, reduction="sum"), leaf)
    return gradient


@pytest.mark.parametrize(("way", "sign"), [(descent, -1), (ascent, 1)])
def test_one_step_is_a_signed_step_along_the_gradient(fp32, way, sign):
    model, images, labels = trained_net()
    x = to_float(images)
    gradient = gradient_of(model, x, labels)
    expected = (x + sign * 2 / 255 * gradient.sign()).clamp(0, 1) - x
    delta = run(way(EIGHT, 0.25, 1), model, x, labels)
    assert not delta.requires_grad
    # A gradient of nearly zero may have either sign.
    sure = gradient.abs() > 1e-3 * gradient.abs().amax((1, 2, 3), keepdim=True)
    torch.testing.assert_close(delta[sure], expected[sure], rtol=0, atol=1e-6)
    assert sure.float().mean() > 0.5


def test_one_l2_step_has_its_length_along_the_gradient(fp32):
    model, images, labels = trained_net()
    x = to_float(images)
    gradient = gradient_of(model, x, labels)
    delta = run(descent(NoiseBudget(norm="l2", epsilon=60), 0.25, 1), model, x, labels)
    # In float64: where the model is sure of its answer, the squares are less than a float can hold.
    unit = gradient.double() / gradient.double().flatten(1).norm(dim=1).clamp_min(1e-300).view(-1, 1, 1, 1)
    expected = (x - 15 / 255 * unit).clamp(0, 1) - x
    torch.testing.assert_close(delta.double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_mask_keeps_the_rest_of_the_picture_as_it_is(fp32, norm):
    model, images, labels = trained_net()
    x = to_float(images)
    mask = torch.zeros(len(x), 1, 8, 8)
    mask[:, :, 2:5, 3:7] = 1
    delta = run(descent(NoiseBudget(norm=norm, epsilon=60), 0.5, 3), model, x, labels, mask=mask)
    assert not delta[(mask == 0).expand_as(delta)].any()
    assert (delta.abs().amax((1, 2, 3)) > 0).all()


def test_steps_go_on_from_the_noise_that_is_there(fp32):
    model, images, labels = trained_net()
    x = to_float(images)
    whole = run(descent(EIGHT, 0.125, 4), model, x, labels)
    half = run(descent(EIGHT, 0.125, 2), model, x, labels)
    assert torch.equal(run(descent(EIGHT, 0.125, 2), model, x, labels, half), whole)


def test_it_is_the_same_every_time():
    model, images, labels = trained_net()
    x = to_float(images)
    one, two = (run(descent(EIGHT, 0.3, 3), model, x, labels) for _ in range(2))
    assert torch.equal(one, two)


def test_the_gradient_of_a_picture_does_not_depend_on_its_batch(fp32):
    model, images, labels = trained_net()
    x = to_float(images)
    together = input_gradient(model, x, labels)
    for i in (0, 1, 50):
        alone = input_gradient(model, x[i : i + 1], labels[i : i + 1])[0]
        torch.testing.assert_close(together[i], alone, rtol=1e-3, atol=1e-5 * float(alone.abs().max()))


@pytest.mark.parametrize("frozen", [True, False])
def test_no_parameter_gets_a_gradient(frozen):
    model = small_net().eval().requires_grad_(not frozen)
    images = trained_net()[1][:4]
    gradient = input_gradient(model, to_float(images), torch.zeros(4, dtype=torch.int64))
    assert gradient.abs().max() > 0
    assert all(p.grad is None for p in model.parameters())


def test_error_is_a_count_and_loss_a_sum(fp32):
    model, images, labels = trained_net()
    x, wrong = to_float(images), (labels + 1) % 3
    right_errors, right_loss = error_and_loss(model, x, labels)
    wrong_errors, _ = error_and_loss(model, x, wrong)
    answers = model(x).argmax(1)
    assert right_errors == (answers != labels).sum()
    assert wrong_errors == (answers != wrong).sum()
    assert float(right_loss) == pytest.approx(float(loss_of(model, x, labels).sum()), rel=1e-4)
