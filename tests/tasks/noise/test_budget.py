"""The budget in its two norms: nearest noise within it, steepest steps, and whole steps that never leave it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.noise import MAX_EPSILON_L2, NoiseBudget
from tasks.noise.budget import bounds, direction, exceeds, in_ball, to_steps, whole_steps, within

NORMS = st.sampled_from(["linf", "l2"])
RADII = st.one_of(st.integers(1, 300), st.integers(1, MAX_EPSILON_L2))
# Zeros, ties, values just beside them, and values that no noise has.
ODD = st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 127.0, 127.5, 128.0, 1e-30, 1e30, -1e38, 0.49999997])
VALUES = st.lists(st.one_of(st.floats(-300, 300, width=32), ODD), min_size=1, max_size=40)
ANY = settings(deadline=None)


def linf(epsilon):
    return NoiseBudget(epsilon=epsilon)


def l2(epsilon):
    return NoiseBudget(norm="l2", epsilon=epsilon)


def budget_of(norm, epsilon):
    return linf(1 + epsilon % 64) if norm == "linf" else l2(epsilon)


def squares(steps):
    return int(steps.to(torch.int64).square().sum())


class TestWholeStepsLinf:
    @ANY
    @given(st.integers(1, 64), VALUES)
    def test_they_are_the_nearest_within_the_budget(self, epsilon, values):
        steps = whole_steps(torch.tensor([values]), linf(epsilon))
        assert steps.dtype == torch.int8
        for value, found in zip(values, steps[0].tolist(), strict=True):
            assert abs(found) <= epsilon
            assert abs(found - max(-epsilon, min(epsilon, value))) <= 0.5

    @ANY
    @given(st.integers(1, 64), VALUES)
    def test_or_the_nearest_towards_zero(self, epsilon, values):
        steps = whole_steps(torch.tensor([values]), linf(epsilon), truncated=True)
        for value, found in zip(values, steps[0].tolist(), strict=True):
            limited = max(-epsilon, min(epsilon, value))
            assert abs(found) <= abs(limited) < abs(found) + 1
            assert found * value >= 0

    def test_whole_steps_stay_what_they_are(self):
        steps = torch.arange(-64, 65)[None]
        for truncated in (False, True):
            assert torch.equal(to_steps(steps / 255, linf(64), truncated).to(torch.int64), steps)
        for epsilon in range(1, 65):
            edge = torch.tensor([[-epsilon / 255, epsilon / 255]])
            assert to_steps(edge, linf(epsilon)).tolist() == [[-epsilon, epsilon]]


class TestWholeStepsL2:
    @ANY
    @given(
        RADII, st.lists(VALUES, min_size=1, max_size=3), st.booleans(), st.sampled_from([torch.float32, torch.float64])
    )
    def test_no_picture_leaves_the_ball_whatever_its_noise(self, radius, pictures, truncated, dtype):
        longest = max(map(len, pictures))
        values = torch.tensor([each + [0.0] * (longest - len(each)) for each in pictures], dtype=dtype)
        steps = whole_steps(values, l2(radius), truncated)
        assert steps.dtype == torch.int8
        assert steps.shape == values.shape
        assert all(squares(one) <= radius**2 for one in steps)
        assert steps.abs().max() <= 127

    @ANY
    @given(RADII, VALUES)
    def test_nothing_is_lowered_needlessly(self, radius, values):
        given_ = torch.tensor([values], dtype=torch.float64)
        projected = in_ball(given_, radius).clamp(-127, 127)[0]
        steps = whole_steps(given_, l2(radius))[0].to(torch.float64)
        rounded = projected.round()
        assert ((steps - projected).abs() < 1).all()
        lowered = steps != rounded
        assert torch.equal(steps[lowered], projected[lowered].trunc())
        if squares(rounded) <= radius**2:
            assert not lowered.any()
        else:
            # To take back the lowering that mattered least would leave the ball again.
            raised = rounded.abs() - projected.abs()
            least = raised.masked_fill(~lowered, 2).argmin()
            again = steps.clone()
            again[least] = rounded[least]
            assert lowered.any()
            assert squares(again) > radius**2
            assert (raised[~lowered] <= raised[least]).all()

    @ANY
    @given(RADII, VALUES)
    def test_truncation_is_of_the_projected_noise(self, radius, values):
        given_ = torch.tensor([values], dtype=torch.float64)
        steps = whole_steps(given_, l2(radius), truncated=True)
        assert torch.equal(steps.to(torch.float64), in_ball(given_, radius).clamp(-127, 127).trunc())

    @pytest.mark.parametrize("step", [0, 1, 7, 31])
    def test_a_picture_that_rounds_out_of_the_ball_fills_it(self, step):
        values = torch.full((1, 3, 8, 8), step + 0.6)
        radius = int(192**0.5 * (step + 0.6))
        steps = whole_steps(values, l2(radius))
        assert set(steps.unique().tolist()) == {step, step + 1}
        assert 0 <= radius**2 - squares(steps) < 2 * step + 1

    @ANY
    @given(st.integers(1, 400), st.integers(0, 999))
    def test_whole_steps_within_the_ball_stay_what_they_are(self, radius, seed):
        steps = torch.randint(-3, 4, (2, 3, 4, 4), generator=torch.Generator().manual_seed(seed))
        once = whole_steps(steps.float(), l2(radius))
        assert torch.equal(whole_steps(once.float(), l2(radius)), once)
        if max(map(squares, steps)) <= radius**2:
            assert torch.equal(once.to(torch.int64), steps)

    def test_each_picture_is_brought_into_a_ball_of_its_own(self):
        both = torch.stack([torch.full((3, 4, 4), 100.0), torch.full((3, 4, 4), 1.0)])
        steps = whole_steps(both, l2(50))
        assert torch.equal(steps[1], torch.ones(3, 4, 4, dtype=torch.int8))
        assert torch.equal(steps[0], whole_steps(both[:1], l2(50))[0])

    def test_no_noise_stays_none(self):
        assert not whole_steps(torch.zeros(2, 3, 4, 4), l2(7)).any()


class TestWithin:
    @ANY
    @given(NORMS, RADII, st.integers(0, 99), st.floats(0, 10))
    def test_noise_is_brought_within_the_budget_and_left_alone_there(self, norm, epsilon, seed, size):
        budget = budget_of(norm, epsilon)
        noise = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * size
        found, limit = within(noise, budget), budget.epsilon / 255
        measured = found.abs().amax((1, 2, 3)) if norm == "linf" else found.flatten(1).norm(dim=1)
        assert (measured <= limit * (1 + 1e-5)).all()
        assert torch.allclose(within(found, budget), found, rtol=1e-5)
        small = noise * 0.01 * limit / max(1.0, float(noise.flatten(1).norm(dim=1).max()))
        assert torch.equal(within(small, budget), small)

    def test_a_ball_keeps_the_direction(self):
        noise = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        found = in_ball(noise, 0.5)
        assert float(found.norm()) == pytest.approx(0.5)
        torch.testing.assert_close(found / found.norm(), noise / noise.norm())


class TestBounds:
    @ANY
    @given(NORMS, RADII, st.integers(0, 99))
    def test_a_picture_stays_in_its_range_and_the_noise_in_the_budget(self, norm, epsilon, seed):
        generator = torch.Generator().manual_seed(seed)
        x = (torch.rand(2, 3, 4, 4, generator=generator) * 1.6 - 0.3).clamp(0, 1)
        noise = torch.randn(2, 3, 4, 4, generator=generator) * 5
        budget = budget_of(norm, epsilon)
        before = x.clone()
        found = bounds(x, budget).project(noise)
        assert torch.equal(x, before)
        assert (x + found).min() >= 0
        assert (x + found).max() <= 1
        limit = budget.epsilon / 255 * (1 + 1e-5)
        assert (found.abs().amax() if norm == "linf" else found.flatten(1).norm(dim=1).max()) <= limit


class TestDirection:
    @ANY
    @given(NORMS, st.integers(0, 99), st.sampled_from([1e-35, 1e-30, 1e-20, 1e-3, 1.0, 1e20]))
    def test_it_has_unit_size_in_the_norm_and_goes_up(self, norm, seed, size):
        gradient = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * size
        found = direction(gradient, budget_of(norm, 8))
        sizes = found.abs().amax((1, 2, 3)) if norm == "linf" else found.flatten(1).norm(dim=1)
        torch.testing.assert_close(sizes, torch.ones(3))
        assert ((found * gradient.double()).sum((1, 2, 3)) > 0).all()

    @pytest.mark.parametrize("norm", ["linf", "l2"])
    def test_no_gradient_is_no_step(self, norm):
        assert not direction(torch.zeros(2, 3, 4, 4), budget_of(norm, 8)).any()


class TestExceeds:
    @given(st.integers(1, 64), st.integers(0, 255))
    def test_linf_counts_the_largest_change(self, epsilon, largest):
        assert exceeds(largest, 10**9, linf(epsilon)) == (largest > epsilon)

    @given(st.integers(1, MAX_EPSILON_L2), st.integers(-3, 3))
    def test_l2_counts_the_sum_of_squares_exactly(self, epsilon, over):
        assert exceeds(255, epsilon**2 + over, l2(epsilon)) == (over > 0)
