"""Budgets by norm, patches, mixtures and the published arithmetic, as they are found in the stored bytes."""

import numpy as np
import pytest

from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.noise import Application, NoiseBudget, Placement, RandomNoise
from tasks.rewrite.audit import audit
from tests.tasks.rewrite.helpers import CLASS_WISE, RANDOM, TWO_PHASE, changes, config_of, folder_source, protect_all

BY_CLASS = RandomNoise(form="class-wise")
METHODS = {"random": RANDOM, "random class-wise": BY_CLASS, "two-phase": TWO_PHASE, "class-wise": CLASS_WISE}
SIDE, PATCH = 8, 3


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return folder_source(tmp_path_factory.mktemp("tree") / "in", per_class=8, side=SIDE)


@pytest.fixture(params=METHODS)
def method(request):
    return METHODS[request.param]


def protected(place, tree, method, **fields):
    """(class, original, stored) of every picture after a job that the audit finds nothing wrong with."""
    config = config_of(place, tree, method, **fields)
    manifest = protect_all(config)
    found = audit(Folder(config.destination), SourceSpec(url=str(tree)))
    assert (found.problems, found.samples) == ([], manifest.protection.protected)
    return list(changes(tree, config))


def patch_of(side, place="random"):
    return Application(placement=Placement(patch=side, place=place))


@pytest.mark.parametrize("epsilon", [60, 300])
def test_stored_pictures_are_within_an_l2_budget_and_use_it(tree, tmp_path, method, epsilon):
    pictures = protected(tmp_path, tree, method, budget=NoiseBudget(norm="l2", epsilon=epsilon))
    squares = [int(((after - before).astype(int) ** 2).sum()) for _, before, after in pictures]
    assert len(squares) == 16
    assert max(squares) <= epsilon**2
    assert min(squares) > 0
    if method is not CLASS_WISE:  # its few steps here don't get that far
        assert max(squares) > (0.8 * epsilon) ** 2


def test_an_l2_budget_holds_for_pictures_of_other_sizes_than_the_working_one(tmp_path):
    source = folder_source(tmp_path / "in", per_class=3, side=12)
    folder_source(source, per_class=3, side=31, first=10)
    method = CLASS_WISE.model_copy(update={"working_size": 8})
    pictures = protected(tmp_path, source, method, budget=NoiseBudget(norm="l2", epsilon=50))
    assert {before.shape[0] for _, before, _ in pictures} == {12, 31}
    assert all(0 < ((after - before).astype(int) ** 2).sum() <= 2500 for _, before, after in pictures)


def corner(change):
    """Upper left corner of what changed, and its extent: (top, left, height, width)."""
    rows, columns = np.nonzero(np.abs(change).sum(axis=2))
    return rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1


def test_outside_a_patch_stored_pictures_are_the_originals(tree, tmp_path, method):
    pictures = protected(tmp_path, tree, method, application=patch_of(PATCH))
    corners = [corner(after - before) for _, before, after in pictures]
    assert len(corners) == 16
    assert all(height <= PATCH and width <= PATCH for _, _, height, width in corners)
    assert len({(top, left) for top, left, _, _ in corners}) > 4  # a place a picture


def test_a_centred_patch_lies_in_the_middle_of_every_picture(tree, tmp_path, method):
    pictures = protected(tmp_path, tree, method, application=patch_of(2, "centre"))
    for _, before, after in pictures:
        outside = after - before
        assert outside[3:5, 3:5].any()
        outside[3:5, 3:5] = 0
        assert not outside.any()


def test_a_patch_of_class_wise_noise_is_one_a_class_wherever_it_lies(tree, tmp_path):
    """Pictures without 0 or 255: nothing is clipped, so what lies in the patch is the noise itself."""
    pictures = protected(tmp_path, tree, BY_CLASS, application=patch_of(PATCH))
    found = {}
    for name, before, after in pictures:
        change = after - before
        values = tuple(change[np.abs(change).sum(axis=2) > 0].reshape(-1))
        found.setdefault(name, set()).add(values)
    assert {name: len(patches) for name, patches in found.items()} == {"cat": 1, "dog": 1}


def test_as_published_no_stored_value_is_below_the_original(tree, tmp_path, method):
    pictures = protected(tmp_path, tree, method, application=Application(arithmetic="as-published"))
    for _, before, after in pictures:
        assert (after >= before).all()
        assert (after > before).any()
        assert (after - before).max() <= 8
    corrected = protected(tmp_path / "corrected", tree, method)
    assert any((after < before).any() for _, before, after in corrected)


def test_two_sets_give_each_class_two_noises(tree, tmp_path):
    pictures = protected(tmp_path, tree, BY_CLASS, application=Application(mixture="two-sets"))
    found = {}
    for name, before, after in pictures:
        found.setdefault(name, set()).add((after - before).tobytes())
    assert {name: len(noises) for name, noises in found.items()} == {"cat": 2, "dog": 2}


def test_uniform_noise_on_top_differs_by_picture_and_keeps_the_budget(tree, tmp_path):
    pictures = protected(tmp_path, tree, CLASS_WISE, application=Application(mixture="with-uniform"))
    noises = {(after - before).tobytes() for _, before, after in pictures}
    assert len(noises) == len(pictures)
    assert all(0 < np.abs(after - before).max() <= 8 for _, before, after in pictures)
