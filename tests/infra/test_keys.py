import pickle

from hypothesis import given
from hypothesis import strategies as st

from infra.keys import BucketKey

SECRETS = st.binary(min_size=8, max_size=40)
PURPOSES = st.lists(st.text(max_size=10), min_size=1, max_size=3)


@given(SECRETS, PURPOSES)
def test_the_same_key_and_purpose_give_the_same_choices(secret, purpose):
    one, two = BucketKey(secret), BucketKey(secret)
    assert one.seed(*purpose) == two.seed(*purpose)
    assert one.unit(*purpose) == two.unit(*purpose)
    assert one.fingerprint == two.fingerprint


@given(SECRETS, SECRETS, PURPOSES)
def test_another_key_gives_other_choices(secret, other, purpose):
    one, two = BucketKey(secret), BucketKey(other)
    assert (one.seed(*purpose) == two.seed(*purpose)) == (secret == other)
    assert (one.fingerprint == two.fingerprint) == (secret == other)


@given(SECRETS, PURPOSES, PURPOSES)
def test_another_purpose_gives_other_choices(secret, purpose, other):
    key = BucketKey(secret)
    assert (key.seed(*purpose) == key.seed(*other)) == (purpose == other)


def test_purposes_are_not_merely_joined():
    key = BucketKey(b"a secret key")
    assert len({key.seed("ab", "c"), key.seed("a", "bc"), key.seed("abc"), key.seed("abc", "")}) == 4


@given(SECRETS, PURPOSES)
def test_a_seed_fits_every_generator_and_a_unit_lies_below_one(secret, purpose):
    key = BucketKey(secret)
    assert 0 <= key.seed(*purpose) < 2**63
    assert 0 <= key.wide_seed(*purpose) < 2**128
    assert 0 <= key.unit(*purpose) < 1


def test_units_are_spread_evenly():
    key = BucketKey(b"a secret key")
    units = [key.unit("coverage", str(i)) for i in range(5000)]
    tenths = [sum(int(10 * unit) == tenth for unit in units) for tenth in range(10)]
    # 500 are expected in each tenth; 100 is more than four standard deviations.
    assert all(abs(count - 500) < 100 for count in tenths)


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=40))
def test_the_secret_is_in_no_text_of_the_key(secret):
    key = BucketKey(f"<{secret}>".encode())
    assert secret not in repr(key)
    assert secret not in str(key)
    assert secret not in f"{[key]}"
    assert len(key.fingerprint) == 16


def test_a_key_survives_the_way_to_a_worker():
    key = BucketKey(b"a secret key")
    assert pickle.loads(pickle.dumps(key)).seed("x") == key.seed("x")
