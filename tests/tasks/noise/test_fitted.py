import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.noise.fitted import FitData, key_hash, key_hashes, to_steps


@settings(deadline=None)
@given(st.integers(1, 64), st.lists(st.floats(-1, 1, width=32), min_size=1))
def test_noise_becomes_whole_steps_within_the_budget(epsilon, values):
    steps = to_steps(torch.tensor(values), epsilon)
    assert steps.dtype == torch.int8
    for value, found in zip(values, steps.tolist(), strict=True):
        assert abs(found) <= epsilon
        assert abs(found - max(-epsilon, min(epsilon, value * 255))) <= 0.5 + 1e-4


def test_whole_steps_stay_what_they_are():
    steps = torch.arange(-64, 65)
    assert torch.equal(to_steps(steps / 255, 64).to(torch.int64), steps)
    for epsilon in range(1, 65):
        assert to_steps(torch.tensor([-epsilon / 255, epsilon / 255]), epsilon).tolist() == [-epsilon, epsilon]


@given(st.lists(st.text(max_size=12), min_size=2, max_size=6, unique=True))
def test_keys_are_told_apart_by_numbers_that_fit(keys):
    hashes = key_hashes(tuple(keys))
    assert hashes.dtype == torch.int64
    assert hashes.tolist() == [key_hash(key) for key in keys]
    assert len(set(hashes.tolist())) == len(keys)
    assert hashes.min() >= 0


def test_a_hundred_thousand_keys_have_as_many_numbers():
    assert len({key_hash(f"train-{i // 1000:06d}.tar/{i:09d}") for i in range(100_000)}) == 100_000


def test_the_size_of_a_fit_is_that_of_its_pictures():
    data = FitData(torch.zeros(2, 24, 24, 3, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64), ("a", "b"), 1)
    assert data.size == 24
