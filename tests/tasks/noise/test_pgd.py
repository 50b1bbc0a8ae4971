import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from infra import devices
from tasks.nn.batches import to_float
from tasks.noise.pgd import error_and_loss, input_gradient, minimise
from tests.tasks.nn.helpers import small_net
from tests.tasks.noise.helpers import trained_net

ANY = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


def loss_of(model, x, y):
    with torch.no_grad():
        return functional.cross_entropy(model(x), y, reduction="none")


def start(images):
    return torch.zeros_like(to_float(images))


@ANY
@given(st.floats(1 / 255, 64 / 255), st.floats(0.01, 2), st.integers(1, 4), st.integers(0, 99))
def test_noise_stays_within_the_budget_and_the_picture_within_its_range(epsilon, part, steps, seed):
    model = trained_net()[0]
    generator = torch.Generator().manual_seed(seed)
    x = (torch.rand(3, 3, 8, 8, generator=generator) * 1.6 - 0.3).clamp(0, 1)
    begin = (torch.rand(3, 3, 8, 8, generator=generator) * 2 - 1) * 2 * epsilon
    labels = torch.arange(3)
    delta = minimise(model, x, labels, begin, epsilon=epsilon, alpha=part * epsilon, steps=steps)
    assert delta.abs().max() <= epsilon + 1e-7
    assert (x + delta).min() >= 0
    assert (x + delta).max() <= 1
    assert delta.abs().max() > 0


def test_it_brings_the_loss_down_for_nearly_every_picture(fp32):
    model, images, labels = trained_net()
    x = to_float(images)
    wrong = (labels + 1) % 3  # noise for another class has further to go
    delta = minimise(model, x, wrong, start(images), epsilon=8 / 255, alpha=2 / 255, steps=5)
    before, after = loss_of(model, x, wrong), loss_of(model, x + delta, wrong)
    assert (after < before).float().mean() > 0.98
    assert after.mean() < 0.9 * before.mean()


def test_more_steps_bring_it_further_down(fp32):
    model, images, labels = trained_net()
    x, wrong = to_float(images), (labels + 1) % 3
    means = [loss_of(model, x, wrong).mean()]
    for steps in (1, 4):
        delta = minimise(model, x, wrong, start(images), epsilon=8 / 255, alpha=2 / 255, steps=steps)
        means.append(loss_of(model, x + delta, wrong).mean())
    assert means[0] > means[1] > means[2]


def test_one_step_is_a_signed_step_against_the_gradient(fp32):
    model, images, labels = trained_net()
    x = to_float(images)
    leaf = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(functional.cross_entropy(model(leaf), labels, reduction="sum"), leaf)
    expected = (x - 2 / 255 * gradient.sign()).clamp(0, 1) - x
    delta = minimise(model, x, labels, torch.zeros_like(x), epsilon=8 / 255, alpha=2 / 255, steps=1)
    assert not delta.requires_grad
    # A gradient of nearly zero may have either sign.
    sure = gradient.abs() > 1e-3 * gradient.abs().amax((1, 2, 3), keepdim=True)
    torch.testing.assert_close(delta[sure], expected[sure], rtol=0, atol=1e-6)
    assert sure.float().mean() > 0.5


def test_steps_go_on_from_the_noise_that_is_there(fp32):
    model, images, labels = trained_net()
    x, size = to_float(images), {"epsilon": 8 / 255, "alpha": 1 / 255}
    whole = minimise(model, x, labels, start(images), steps=4, **size)
    half = minimise(model, x, labels, start(images), steps=2, **size)
    assert torch.equal(minimise(model, x, labels, half, steps=2, **size), whole)


def test_it_is_the_same_every_time_and_changes_neither_pictures_nor_noise():
    model, images, labels = trained_net()
    x, begin = to_float(images), start(images)
    before = x.clone()
    one, two = (minimise(model, x, labels, begin, epsilon=0.03, alpha=0.01, steps=3) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(x, before)
    assert not begin.any()


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


def test_bf16_steps_go_where_fp32_steps_go(monkeypatch):
    if not devices.fast_bf16("cpu"):
        pytest.skip("this processor has no bf16 of its own: convolutions run in fp32 here")
    model, images, labels = trained_net(16)
    x = to_float(images)
    with torch.autocast("cpu", enabled=False):
        low = input_gradient(model, x, labels)
    monkeypatch.setattr(devices, "fast_bf16", lambda kind: False)
    full = input_gradient(model, x, labels)
    assert not torch.equal(low, full), "bf16 was not used"
    agreement = (low.sign() == full.sign())[full != 0].float().mean()
    assert agreement > 0.95
