"""Mixtures of class-wise noise (Table 5): two sets of which each picture takes one, or a set and uniform noise."""

import pytest
import torch

from tasks.noise.class_sets import fit_sets
from tasks.noise.fitted import Batch, Fitted, Round
from tasks.noise.journal import Unkept
from tests.tasks.noise.helpers import CLASS_WISE, OTHER, batch_of, fit, fit_data, perturber, spec_of

EVERY = pytest.mark.parametrize("name", CLASS_WISE)
MANY = tuple(f"train-{i // 100:06d}.tar/{i:04d}" for i in range(400))


def noise_for(spec, names, label=0, key=None):
    """Noise of pictures that differ in their names alone."""
    fitted = fit(spec)
    used = spec if key is None else spec_of(spec.method, key=key, mixture=spec.application.mixture)
    return perturber(used, fitted).noise(
        Batch(torch.zeros(len(names), 8, 8, 3, dtype=torch.uint8), torch.full((len(names),), label), names)
    )


class TestTwoSets:
    @EVERY
    def test_two_sets_are_made_and_they_differ(self, name):
        sets = fit(spec_of(name, mixture="two-sets")).tensors["noise"]
        assert (sets.shape, sets.dtype) == ((2, 3, 3, 8, 8), torch.int8)
        # Error-maximizing ones share a model and differ by their subsets: a class may come out the same.
        differ = [bool((sets[0, label] != sets[1, label]).any()) for label in range(3)]
        assert any(differ) if "maximizing" in name else all(differ)
        assert (sets.abs().amax((1, 2, 3, 4)) > 0).all()

    @EVERY
    def test_the_first_is_the_one_that_would_be_made_alone(self, name):
        alone = fit(spec_of(name)).tensors["noise"]
        assert alone.shape == (1, 3, 3, 8, 8)
        assert torch.equal(fit(spec_of(name, mixture="two-sets")).tensors["noise"][0], alone[0])

    @EVERY
    def test_a_picture_takes_one_of_them_and_about_half_takes_each(self, name):
        spec = spec_of(name, mixture="two-sets")
        sets = fit(spec).tensors["noise"][:, 1].permute(0, 2, 3, 1)
        noise = noise_for(spec, MANY, label=1)
        first = (noise == sets[0]).flatten(1).all(1)
        assert ((noise == sets[1]).flatten(1).all(1) == ~first).all()
        assert 0.4 < first.float().mean() < 0.6

    def test_which_one_depends_on_the_key_and_the_pictures_name_alone(self):
        spec = spec_of("random class-wise", mixture="two-sets")
        one = noise_for(spec, MANY)
        assert torch.equal(noise_for(spec, MANY[::-1]), one.flip(0))
        assert torch.equal(noise_for(spec, MANY[5:6]), one[5:6])
        other = noise_for(spec, MANY, key=OTHER)
        taken_otherwise = (one != other).flatten(1).any(1).float().mean()
        assert 0.3 < taken_otherwise < 0.7

    @pytest.mark.parametrize(
        ("first", "second", "aim", "weaker"),
        [
            (("at-lambda", 0.01), ("at-cap", 0.2), 0.0, "1"),
            (("at-cap", 0.2), ("at-lambda", 0.01), 0.0, "0"),
            (("at-cap", 0.2), ("at-cap", 0.6), 0.0, "1"),
            (("at-lambda", 0.01), ("at-lambda", 0.0), 0.0, "0"),
            (("diverged", 0.9), ("at-cap", 0.2), 0.0, "0"),
            (("at-cap", 0.1), ("at-cap", 0.7), 1.0, "0"),
            (("at-lambda", 0.85), ("at-cap", 0.7), 1.0, "1"),
        ],
    )
    def test_the_history_is_that_of_the_weaker_set(self, first, second, aim, weaker):
        made = {}

        def fit_one(name, journal):
            stopped, error = {"0": first, "1": second}[name]
            rounds = (Round(1, 0.9, 1.0, 0.1, 10), Round(2, error, 1.0, 0.1, 10))
            made[name] = Fitted({"noise": torch.zeros(3, 3, 8, 8, dtype=torch.int8)}, rounds, 2, stopped)
            return made[name]

        told = fit_sets(spec_of("random class-wise", mixture="two-sets"), Unkept(), fit_one, aim)
        assert (told.rounds, told.kept_round, told.stopped) == (made[weaker].rounds, 2, made[weaker].stopped)


class TestWithUniform:
    @EVERY
    def test_pictures_of_a_class_have_noise_of_their_own(self, name):
        noise = noise_for(spec_of(name, mixture="with-uniform"), MANY[:20])
        assert len(noise.unique(dim=0)) == 20
        assert noise.abs().max() <= 8

    @EVERY
    def test_the_classs_noise_shows_through(self, name):
        spec = spec_of(name, mixture="with-uniform", epsilon=32)
        alone = fit(spec).tensors["noise"][0, 2].permute(1, 2, 0).float()
        mean = noise_for(spec, MANY, label=2).float().mean(0)
        assert torch.corrcoef(torch.stack([alone.flatten(), mean.flatten()]))[0, 1] > (
            0.9 if alone.abs().max() > 4 else 0.3
        )

    def test_it_is_signed_and_spread_evenly_around_the_classs_noise(self):
        spec = spec_of("random class-wise", mixture="with-uniform", epsilon=60)
        alone = fit(spec).tensors["noise"][0, 0].permute(1, 2, 0).to(torch.float64)
        noise = noise_for(spec, MANY).to(torch.float64)
        faint = alone.abs() <= 6
        added = (noise - alone)[:, faint]
        assert added.min() < -50
        assert added.max() > 50
        assert abs(added.mean()) < 2

    def test_two_noises_at_the_largest_budget_don_t_wrap_around(self):
        spec = spec_of("random class-wise", mixture="with-uniform", epsilon=64)
        alone = fit(spec).tensors["noise"][0, 0].permute(1, 2, 0)
        noise = noise_for(spec, MANY)
        assert noise[:, alone > 50].float().mean() > 20
        assert noise[:, alone < -50].float().mean() < -20
        assert noise[:, alone > 50].min() >= 50 - 64

    def test_the_same_sample_has_the_same_noise(self):
        spec = spec_of("random class-wise", mixture="with-uniform")
        one = noise_for(spec, MANY)
        assert torch.equal(noise_for(spec, MANY), one)
        assert torch.equal(noise_for(spec, MANY[::-1]), one.flip(0))
        assert not torch.equal(noise_for(spec, MANY, key=OTHER), one)

    @pytest.mark.parametrize("norm", ["linf", "l2"])
    def test_a_patch_is_mixed_within_its_square(self, norm):
        spec = spec_of("random class-wise", mixture="with-uniform", norm=norm, epsilon=30, patch=3)
        noise = noise_for(spec, MANY[:30])
        assert ((noise != 0).any(3).flatten(1).sum(1) <= 9).all()
        assert len(noise.unique(dim=0)) == 30


@EVERY
def test_without_a_mixture_a_class_has_one_noise_whatever_the_picture(name):
    data, spec = fit_data(), spec_of(name)
    made = perturber(spec, fit(spec, data))
    noise = made.noise(batch_of(data))
    assert len(noise.unique(dim=0)) == 3
    new = fit_data(seed=9)
    order = torch.tensor([2, 0, 1])
    unseen = Batch(new.images[:3], order, ("x", "y", "z"))
    assert torch.equal(made.noise(unseen), torch.stack([noise[data.labels == i][0] for i in order]))
