"""What every method does, and what sets its forms apart."""

import pytest
import torch

from infra.errors import DataError
from schemas.noise import NoiseMethod
from tasks.noise import method as methods
from tasks.noise import minmin
from tasks.noise.fitted import Batch, key_hashes
from tasks.noise.journal import Unkept
from tasks.noise.pgd import descent
from tasks.noise.sample_wise import SampleWise
from tests.tasks.noise.helpers import KEY, METHODS, SAMPLE_WISE, batch_of, fit, fit_data, noise_of, perturber, spec_of

EVERY = pytest.mark.parametrize("name", METHODS)
JOINT = pytest.mark.parametrize("name", ["joint", "lbfgs joint"])
FROZEN = pytest.mark.parametrize("name", ["two-phase", "lbfgs two-phase", "maximizing sample-wise"])


class TestEveryMethod:
    @EVERY
    def test_a_fit_says_how_it_ended(self, name):
        fitted = fit(spec_of(name))
        if name.startswith("random"):
            assert (fitted.stopped, fitted.kept_round, fitted.rounds) == ("no-fit", None, ())
        else:
            assert fitted.stopped in ("at-cap", "at-lambda")
            assert [r.round for r in fitted.rounds] == [1]
            assert fitted.kept_round == 1
            assert 0 <= fitted.rounds[0].error <= 1

    @EVERY
    def test_its_gradient_passes_are_as_many_as_were_told_before(self, name):
        told = methods.module_of(METHODS[name].kind).image_steps(METHODS[name], 12)
        taken = sum(one.image_steps for one in fit(spec_of(name)).rounds)
        if "maximizing" in name:
            told -= METHODS[name].training.epochs * 12  # its rounds tell of the noise alone
        assert abs(told - taken) <= 2 * 3, "a class too few or too many in the subset"

    @EVERY
    def test_its_shortest_fit_is_no_other_method(self, name):
        short = methods.module_of(METHODS[name].kind).shortened(METHODS[name])
        assert (short.kind, short.form) == (METHODS[name].kind, METHODS[name].form)
        assert getattr(short, "max_rounds", 1) == 1
        assert type(short).model_validate(short.model_dump()) == short

    @EVERY
    def test_noise_is_made_for_pictures_that_no_fit_saw_unless_it_is_joint(self, name):
        made = perturber(spec_of(name), fit(spec_of(name)))
        new = fit_data(seed=9)
        batch = Batch(new.images, new.labels, tuple(f"new/{i}" for i in range(12)))
        if name.endswith("joint"):
            with pytest.raises(DataError, match="never made for sample new/0"):
                made.noise(batch)
        else:
            assert 0 < made.noise(batch).abs().max() <= 8

    def test_every_kind_of_the_schema_has_its_module(self):
        kinds = {method.kind for method in METHODS.values()}
        union = NoiseMethod.__origin__.__args__
        assert {schema.model_fields["kind"].default for schema in union} == kinds
        for kind in kinds:
            assert methods.module_of(kind).VERSION >= 1

    def test_a_kind_without_a_module_is_not_there(self):
        with pytest.raises(ModuleNotFoundError):
            methods.module_of("no-such-method")


class TestSampleWise:
    @pytest.mark.parametrize("name", SAMPLE_WISE)
    def test_samples_have_noise_of_their_own(self, name):
        assert len(noise_of(spec_of(name, epsilon=32)).unique(dim=0)) >= 11


class TestJoint:
    def test_its_noise_is_the_noise_of_the_fit(self):
        data, method, spec = fit_data(), METHODS["joint"], spec_of("joint")
        fitted = fit(spec, data)
        seed = KEY.seed("error-minimizing", "sample-wise", "joint")
        state = SampleWise(method, spec, descent(spec.budget, method.alpha, method.steps), data)
        made = minmin.run(method, data, state, seed, Unkept()).kept.noise
        assert torch.equal(perturber(spec, fitted).noise(batch_of(data)), made)
        assert fitted.tensors["keys"].tolist() != key_hashes(data.keys).tolist(), "the order was not put to the test"

    @JOINT
    @pytest.mark.parametrize("stranger", ["", "train-000000.tar/9999", "zzz"])
    def test_an_unknown_sample_is_an_error_that_names_it(self, name, stranger):
        data, spec = fit_data(), spec_of(name)
        made = perturber(spec, fit(spec, data))
        with pytest.raises(DataError, match=f"never made for sample {stranger}") as caught:
            made.noise(Batch(data.images[:2], data.labels[:2], (data.keys[0], stranger)))
        assert "two-phase" in caught.value.mend


class TestFrozenModel:
    @FROZEN
    def test_noise_depends_on_the_class_that_is_asked_for(self, name):
        data, spec = fit_data(), spec_of(name, epsilon=32)
        made = perturber(spec, fit(spec, data))
        other = Batch(data.images, (data.labels + 1) % 3, data.keys)
        assert not torch.equal(made.noise(batch_of(data)), made.noise(other))

    @FROZEN
    def test_a_whole_picture_needs_no_name(self, name):
        data, spec = fit_data(), spec_of(name)
        made = perturber(spec, fit(spec, data))
        assert torch.equal(made.noise(Batch(data.images, data.labels)), made.noise(batch_of(data)))
