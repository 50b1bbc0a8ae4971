"""Which samples are protected: stable, about the share asked for, and nothing else touched."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import ConfigurationError
from infra.keys import BucketKey
from schemas.coverage import Coverage
from tasks.rewrite.coverage import check, covered
from tests.tasks.rewrite.helpers import by_pillow, config_of, folder_source, members, protect_all, shards_of

KEY, OTHER = BucketKey(b"a key for the tests"), BucketKey(b"another key")
NAMES = [f"train-{i // 500:06d}.tar/sample-{i:05d}" for i in range(4000)]


def chosen(fraction, names=NAMES, key=KEY, classes=None):
    coverage = Coverage(fraction=fraction, classes=classes)
    return {name for name in names if covered(coverage, name, "cat", key)}


@settings(deadline=None, max_examples=20)
@given(st.floats(0.001, 1))
def test_the_share_is_about_what_was_asked_for(fraction):
    spread = 5 * (fraction * (1 - fraction) / len(NAMES)) ** 0.5
    assert abs(len(chosen(fraction)) / len(NAMES) - fraction) <= spread + 1e-9


@settings(deadline=None, max_examples=10)
@given(st.randoms(use_true_random=False), st.floats(0.05, 0.95))
def test_the_choice_does_not_depend_on_the_order_or_on_what_else_is_there(order: random.Random, fraction):
    names = NAMES[:800]
    shuffled = order.sample(names, 500)
    assert chosen(fraction, shuffled) == chosen(fraction, names) & set(shuffled)


@settings(deadline=None, max_examples=10)
@given(st.floats(0.05, 0.5), st.floats(0.5, 1))
def test_a_larger_share_keeps_what_a_smaller_one_chose(small, large):
    assert chosen(small) <= chosen(large)


def test_another_key_chooses_others():
    assert chosen(0.5) != chosen(0.5, key=OTHER)


def test_all_of_it_leaves_nothing_out():
    assert chosen(1.0) == set(NAMES)


def test_classes_that_are_not_named_are_left_out_whatever_the_share():
    assert chosen(1.0, classes=("dog",)) == set()
    assert chosen(0.5, classes=("dog", "cat")) == chosen(0.5)


def test_a_class_that_the_dataset_lacks_is_refused_with_the_classes_it_has():
    check(Coverage(classes=("cat",)), ("cat", "dog"))
    check(Coverage(), ("cat", "dog"))
    with pytest.raises(ConfigurationError, match=r"names cow, which the dataset does not have; .*cat, dog"):
        check(Coverage(classes=("cat", "cow")), ("cat", "dog"))


def changed_keys(config):
    """Keys of the stored pictures that differ from the originals, and of all."""
    originals, changed, every = {}, set(), set()
    for data in shards_of(f"{config.workspace}/dataset/shards").values():
        originals.update(members(data))
    for data in shards_of(config.destination).values():
        for name, stored in members(data):
            if name.endswith(".png"):
                every.add(name)
                if (by_pillow(stored) != by_pillow(originals[name])).any():
                    changed.add(name)
    return changed, every


def test_a_class_alone_is_protected_and_the_others_are_stored_as_png_without_a_change(tmp_path):
    source = folder_source(tmp_path / "in", per_class=5)
    config = config_of(tmp_path, source, coverage=Coverage(classes=("dog",)))
    manifest = protect_all(config)
    changed, every = changed_keys(config)
    assert {name for name in every if name.startswith("dog")} == changed
    assert len(every) == 10
    assert manifest.protection.protected == len(changed) == 5
    assert manifest.protection.classes == ("dog",)


def test_a_share_is_protected_and_the_same_one_every_time(tmp_path):
    source = folder_source(tmp_path / "in", per_class=20)
    config = config_of(tmp_path, source, coverage=Coverage(fraction=0.4))
    manifest = protect_all(config)
    changed, every = changed_keys(config)
    assert len(every) == 40
    assert 0 < len(changed) < 40
    assert manifest.protection.protected == len(changed)
    protect_all(again := config_of(tmp_path / "again", source, coverage=Coverage(fraction=0.4)))
    assert changed_keys(again)[0] == changed
    assert shards_of(again.destination) == shards_of(config.destination)
