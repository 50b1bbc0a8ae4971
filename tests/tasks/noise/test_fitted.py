import torch
from hypothesis import given
from hypothesis import strategies as st

from tasks.noise.fitted import key_hash, key_hashes
from tests.tasks.noise.helpers import spec_of


@given(st.lists(st.text(max_size=12), min_size=2, max_size=6, unique=True))
def test_keys_are_told_apart_by_numbers_that_fit(keys):
    hashes = key_hashes(tuple(keys))
    assert hashes.dtype == torch.int64
    assert hashes.tolist() == [key_hash(key) for key in keys]
    assert len(set(hashes.tolist())) == len(keys)
    assert hashes.min() >= 0


def test_a_hundred_thousand_keys_have_as_many_numbers():
    assert len({key_hash(f"train-{i // 1000:06d}.tar/{i:09d}") for i in range(100_000)}) == 100_000


def test_only_the_published_arithmetic_truncates():
    assert not spec_of("joint").truncated
    assert spec_of("joint", arithmetic="as-published").truncated


def test_what_is_wanted_never_shows_the_key():
    assert "a key for the tests" not in repr(spec_of("joint"))
