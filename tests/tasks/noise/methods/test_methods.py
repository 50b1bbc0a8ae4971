import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import DataError
from schemas.noise import NoiseMethod
from tasks.noise import method as methods
from tasks.noise import minmin, store
from tasks.noise.fitted import Batch, Fitted, key_hashes
from tasks.noise.sample_wise import SampleWise
from tests.tasks.noise.helpers import KEY, METHODS, OTHER, batch_of, fit, fit_data, perturber, protected

EVERY = pytest.mark.parametrize("name", METHODS)
SAMPLE_WISE = pytest.mark.parametrize("name", ["two-phase", "joint", "random sample-wise"])


def noise_of(name, epsilon=8, key=KEY):
    data, method = fit_data(), METHODS[name]
    return perturber(method, fit(method, epsilon, data, key), epsilon, data, key).noise(batch_of(data))


class TestEveryMethod:
    @EVERY
    def test_the_budget_holds_on_the_stored_bytes(self, name):
        # Not by hypothesis: a fit costs too much to be drawn a hundred times.
        for epsilon in (1, 2, 8, 31, 64):
            data, noise = fit_data(), noise_of(name, epsilon)
            assert (noise.dtype, noise.shape) == (torch.int8, (12, 8, 8, 3))
            stored = protected(data, noise, epsilon)
            change = np.abs(stored.astype(int) - data.images.numpy())
            assert stored.dtype == np.uint8
            assert epsilon / 2 <= change.max() <= epsilon

    @EVERY
    def test_the_same_key_gives_the_same_bytes(self, name):
        assert torch.equal(noise_of(name), noise_of(name))

    @EVERY
    def test_another_key_gives_other_noise(self, name):
        assert not torch.equal(noise_of(name), noise_of(name, key=OTHER))

    @EVERY
    def test_a_fit_leaves_the_global_generators_alone(self, name):
        states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
        noise_of(name)
        assert torch.equal(torch.get_rng_state(), states[0])
        assert random.getstate() == states[1]
        assert np.random.get_state()[1].tolist() == states[2]

    @EVERY
    def test_a_fit_does_not_depend_on_the_global_generators(self, name):
        torch.manual_seed(1)
        one = noise_of(name)
        torch.manual_seed(2)
        assert torch.equal(one, noise_of(name))

    @EVERY
    def test_what_was_fitted_survives_its_file(self, name):
        data, method = fit_data(), METHODS[name]
        fitted = fit(method, 8, data)
        again = Fitted(store.load_tensors(store.encode(fitted.tensors)))
        assert again.tensors.keys() == fitted.tensors.keys()
        expected = perturber(method, fitted).noise(batch_of(data))
        assert torch.equal(perturber(method, again).noise(batch_of(data)), expected)

    @EVERY
    def test_the_same_fit_has_the_same_file(self, name):
        one, two = (store.encode(fit(METHODS[name]).tensors) for _ in range(2))
        assert one == two

    @EVERY
    def test_the_pictures_are_not_changed(self, name):
        data = fit_data()
        method = METHODS[name]
        perturber(method, fit(method, 8, data)).noise(batch_of(data))
        assert torch.equal(data.images, fit_data().images)

    @EVERY
    def test_a_fit_says_how_it_ended(self, name):
        fitted = fit(METHODS[name])
        if name.startswith("random"):
            assert (fitted.stopped, fitted.kept_round, fitted.rounds) == ("no-fit", None, ())
        else:
            assert fitted.stopped in ("at-cap", "at-lambda")
            assert [r.round for r in fitted.rounds] == [1]
            assert fitted.kept_round == 1

    def test_every_kind_of_the_schema_has_its_module(self):
        kinds = {method.kind for method in METHODS.values()}
        union = NoiseMethod.__origin__.__args__
        assert {schema.model_fields["kind"].default for schema in union} == kinds
        for kind in kinds:
            assert methods.module_of(kind).VERSION >= 1

    def test_a_kind_without_a_module_is_not_there(self):
        with pytest.raises(ModuleNotFoundError):
            methods.module_of("no-such-method")


class TestClassWise:
    @pytest.mark.parametrize("name", ["class-wise", "random class-wise"])
    def test_a_class_has_one_noise_whatever_the_picture(self, name):
        data, method = fit_data(), METHODS[name]
        made = perturber(method, fit(method, 8, data))
        noise = made.noise(batch_of(data))
        for label in range(3):
            assert len(noise[data.labels == label].unique(dim=0)) == 1
        assert len(noise.unique(dim=0)) == 3
        new = fit_data(seed=9)
        order = torch.tensor([2, 0, 1])
        unseen = Batch(new.images[:3], order, ("x", "y", "z"))
        assert torch.equal(made.noise(unseen), torch.stack([noise[data.labels == i][0] for i in order]))


class TestSampleWise:
    @SAMPLE_WISE
    def test_samples_have_noise_of_their_own(self, name):
        assert len(noise_of(name).unique(dim=0)) == 12

    @pytest.mark.parametrize("name", ["joint", "random sample-wise"])
    def test_noise_is_found_by_key_in_any_order(self, name):
        data, method = fit_data(), METHODS[name]
        made = perturber(method, fit(method, 8, data))
        whole = made.noise(batch_of(data))
        order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
        keys = tuple(data.keys[i] for i in order)
        shuffled = made.noise(Batch(data.images[order], data.labels[order], keys))
        assert torch.equal(shuffled, whole[order])
        assert torch.equal(made.noise(batch_of(data, slice(5, 6))), whole[5:6])

    def test_joint_noise_is_the_noise_of_the_fit(self):
        data, method = fit_data(), METHODS["joint"]
        fitted = fit(method, 8, data)
        seed = KEY.seed("error-minimizing", "sample-wise", "joint")
        made = minmin.run(method, data, SampleWise(method, 8, data), seed, lambda one: None).noise
        assert torch.equal(perturber(method, fitted).noise(batch_of(data)), made)
        assert fitted.tensors["keys"].tolist() != key_hashes(data.keys).tolist(), "the order was not put to the test"

    @pytest.mark.parametrize("stranger", ["", "train-000000.tar/9999", "zzz"])
    def test_joint_noise_for_an_unknown_sample_is_an_error_that_names_it(self, stranger):
        data, method = fit_data(), METHODS["joint"]
        made = perturber(method, fit(method, 8, data))
        keys = (data.keys[0], stranger)
        with pytest.raises(DataError, match=f"never made for sample {stranger}") as caught:
            made.noise(Batch(data.images[:2], data.labels[:2], keys))
        assert "two-phase" in caught.value.mend


class TestTwoPhase:
    def test_every_budget_holds_on_the_stored_bytes(self):
        data, method = fit_data(), METHODS["two-phase"]
        fitted = fit(method, 8, data)
        for epsilon in range(1, 65):
            noise = perturber(method, fitted, epsilon).noise(batch_of(data))
            change = np.abs(protected(data, noise, epsilon).astype(int) - data.images.numpy())
            assert 0 < change.max() <= epsilon

    def test_a_batch_has_its_noise_whatever_came_before_it(self):
        data, method = fit_data(24), METHODS["two-phase"]
        fitted = fit(method, 8, data)
        batches = [batch_of(data, slice(start, start + 8)) for start in (0, 8, 16)]
        forward = perturber(method, fitted)
        first = [forward.noise(batch) for batch in batches]
        backward = perturber(method, fitted)
        assert all(torch.equal(backward.noise(batches[i]), first[i]) for i in (2, 0, 1, 2))

    def test_a_shard_of_whole_batches_has_the_noise_of_its_parts(self):
        data, method = fit_data(24), METHODS["two-phase"]
        made = perturber(method, fit(method, 8, data))
        parts = [made.noise(batch_of(data, slice(start, start + 8))) for start in (0, 8, 16)]
        assert torch.equal(made.noise(batch_of(data)), torch.cat(parts))

    def test_a_picture_that_the_fit_never_saw_gets_noise_too(self):
        data, method = fit_data(), METHODS["two-phase"]
        new = fit_data(seed=9)
        noise = perturber(method, fit(method, 8, data)).noise(Batch(new.images, new.labels, ()))
        assert len(noise.unique(dim=0)) == 12
        assert noise.abs().max() <= 8

    def test_noise_depends_on_the_class_that_is_asked_for(self):
        data, method = fit_data(), METHODS["two-phase"]
        made = perturber(method, fit(method, 8, data))
        other = Batch(data.images, (data.labels + 1) % 3, data.keys)
        assert not torch.equal(made.noise(batch_of(data)), made.noise(other))


class TestRandom:
    @settings(deadline=None, max_examples=20)
    @given(st.integers(1, 64), st.sampled_from(["random class-wise", "random sample-wise"]))
    def test_it_is_spread_evenly_over_the_budget(self, epsilon, name):
        data, method = fit_data(size=32), METHODS[name]
        noise = perturber(method, fit(method, epsilon, data), epsilon, data).noise(batch_of(data))
        values = noise.to(torch.float64)
        assert values.abs().max() == epsilon
        assert abs(values.mean()) < 0.1 * epsilon
        # U(-e, e), rounded, has a variance of e^2 / 3 + 1/12 but for its two half-wide ends.
        assert values.square().mean().item() == pytest.approx(epsilon**2 / 3 + 1 / 6, rel=0.06)

    def test_it_does_not_depend_on_the_picture_or_its_batch(self):
        data, method = fit_data(), METHODS["random sample-wise"]
        made = perturber(method, fit(method, 8, data))
        black = Batch(torch.zeros_like(data.images), data.labels, data.keys)
        assert torch.equal(made.noise(black), made.noise(batch_of(data)))
