"""Face verification: scikit-learn's numbers, read with care, and no word in favour of a victim that says nothing."""

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tasks.evaluate import verification
from tasks.evaluate.pairs import Faces
from tests.tasks.nn.helpers import small_net


def random_pairs(count, seed, levels=0):
    """Scores float [P] (on few levels: with ties) and same bool [P] of both kinds; true pairs score a little higher."""
    rng = np.random.default_rng(seed)
    same = rng.random(count) < 0.5
    same[:2] = True, False
    scores = rng.normal(size=count) + same
    return (np.round(scores * levels) if levels else scores), same


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 400), st.integers(0, 2**20), st.integers(0, 3))
def test_auc_is_scikit_learns_and_the_share_of_true_pairs_that_score_higher(count, seed, levels):
    scores, same = random_pairs(count, seed, levels)
    found = verification.measure(scores, same)
    assert found.auc == pytest.approx(sklearn.metrics.roc_auc_score(same, scores))
    higher = (scores[same][:, None] > scores[~same]).mean() + 0.5 * (scores[same][:, None] == scores[~same]).mean()
    assert found.auc == pytest.approx(higher)
    assert (found.pairs, found.same) == (count, same.sum())


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 400), st.integers(0, 2**20), st.integers(0, 3))
def test_tar_at_far_is_the_best_of_all_thresholds_that_keep_to_the_bound(count, seed, levels):
    scores, same = random_pairs(count, seed, levels)
    found = dict(verification.measure(scores, same).tar_at_far)
    assert tuple(found) == (0.001, 0.01, 0.1)
    thresholds = [*np.unique(scores), np.inf]
    for bound, tar in found.items():
        kept = [t for t in thresholds if (scores[~same] >= t).mean() <= bound]
        assert tar == pytest.approx(max((scores[same] >= t).mean() for t in kept))
    assert list(found.values()) == sorted(found.values())


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 3000), st.integers(0, 2**20), st.integers(0, 3))
def test_the_curve_keeps_its_ends_and_its_way_in_at_most_200_points(count, seed, levels):
    scores, same = random_pairs(count, seed, levels)
    found = verification.measure(scores, same)
    far, tar = map(np.array, zip(*found.roc, strict=True))
    assert len(far) <= 200
    assert (found.roc[0], found.roc[-1]) == ((0, 0), (1, 1))
    assert (np.diff(far) >= 0).all()
    assert (np.diff(tar) >= 0).all()
    assert sklearn.metrics.auc(far, tar) == pytest.approx(found.auc, abs=0.01)
    whole = sklearn.metrics.roc_curve(same, scores, drop_intermediate=False)
    assert set(found.roc) <= set(zip(whole[0].tolist(), whole[1].tolist(), strict=True))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 2**20))
def test_cosines_are_scikit_learns(people, dimensions, seed):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(people, dimensions, generator=generator)
    a, b = torch.randint(people, (2, 50), generator=generator)
    expected = sklearn.metrics.pairwise.cosine_similarity(embeddings.double().numpy())
    np.testing.assert_allclose(verification.cosines(embeddings, a, b), expected[a, b], atol=1e-12)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_embeddings_that_say_nothing_are_worth_nothing(value):
    embeddings, index = torch.full((4, 3), value), torch.arange(4)
    scores = verification.cosines(embeddings, index, index.flip(0))
    assert scores.tolist() == [0, 0, 0, 0]
    found = verification.measure(scores, np.array([True, False, True, False]))
    assert found.auc == 0.5
    assert dict(found.tar_at_far) == {0.001: 0, 0.01: 0, 0.1: 0}


def colours():
    """A victim whose embedding is a picture's mean colour."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 7))


def faces(pairs=1000, people=12, told=True, seed=0):
    """Pairs of pictures of people; each person has a colour if they are to be `told` apart, else chance has it."""
    generator = torch.Generator().manual_seed(seed)
    who = torch.arange(10 * people) % people
    angle = 2 * torch.pi * who / people
    tint = torch.stack([angle.cos(), angle.sin(), torch.ones_like(angle)], 1) * 50 + 100
    noise = torch.randint(-10, 11, (len(who), 8, 8, 3), generator=generator)
    images = tint[:, None, None] + noise if told else torch.randint(256, noise.shape, generator=generator)
    a, b = torch.randint(len(who), (2, pairs), generator=generator)
    b[: pairs // 2] = (a[: pairs // 2] + people) % len(who)
    return Faces(images.to(torch.uint8), a, b, who[a] == who[b])


def test_a_victim_that_tells_people_apart_is_perfect():
    found = verification.verify(colours(), faces())
    assert found.auc == 1
    assert dict(found.tar_at_far) == {0.001: 1, 0.01: 1, 0.1: 1}
    assert (found.pairs, found.same) == (1000, int(faces().same.sum()))


def test_a_victim_that_sees_no_one_guesses():
    found = verification.verify(colours(), faces(pairs=4000, told=False))
    assert found.auc == pytest.approx(0.5, abs=0.04)
    assert dict(found.tar_at_far)[0.1] == pytest.approx(0.1, abs=0.04)


def test_a_network_is_left_as_it_was():
    model = small_net().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    verification.verify(model, faces(pairs=50))
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
