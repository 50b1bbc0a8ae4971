"""What every method does, and what sets its forms apart."""

import sys
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace

import cloudpickle
import pytest
import torch

from infra.errors import ConfigurationError, DataError
from schemas.noise import NoiseMethod
from tasks.nn import networks
from tasks.nn.train import predict
from tasks.noise import frozen, memory, min_min_noise, minmin
from tasks.noise import method as methods
from tasks.noise.fit_data import wanted_samples
from tasks.noise.fitted import Batch, NoiseSource, key_hashes
from tasks.noise.frozen import Frozen
from tasks.noise.journal import Unkept
from tasks.noise.pgd import descent
from tasks.noise.sample_wise import SampleWise
from tasks.noise.tensors import under
from tests.tasks.nn.helpers import WIDTHS
from tests.tasks.noise.helpers import (
    CPU,
    KEY,
    METHODS,
    SAMPLE_WISE,
    batch_of,
    fit,
    fit_data,
    noise_of,
    perturber,
    spec_of,
)

EVERY = pytest.mark.parametrize("name", METHODS)
JOINT = pytest.mark.parametrize("name", ["joint", "lbfgs joint"])
FROZEN = pytest.mark.parametrize("name", ["two-phase", "lbfgs two-phase", "maximizing sample-wise"])


class TestEveryMethod:
    @EVERY
    def test_a_fit_says_how_it_ended(self, name):
        fitted = fit(spec_of(name))
        if methods.module_of(METHODS[name].kind).wanted_samples(METHODS[name]) == 0:
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

    def test_a_further_method_is_one_module_and_its_schema(self, monkeypatch):
        asked = []
        further = ModuleType("further")
        further.wanted_samples = lambda method: method.wanted
        further.fit_bytes = lambda *told: asked.append(told) or 17
        monkeypatch.setitem(sys.modules, "tasks.noise.methods.further_one", further)
        method = SimpleNamespace(kind="further-one", form="sample-wise", wanted=3)
        assert wanted_samples(method) == 3
        assert memory.needed(method, 12, 8, 2) - memory.needed(METHODS["random sample-wise"], 12, 8, 2) == 17
        assert asked == [(method, 12, 8, 2)]
        with pytest.raises(ConfigurationError, match=r"free; lower --working-size$"):
            memory.check(2, 1, method)

    @EVERY
    def test_it_fits_on_as_many_pictures_as_it_wants_for(self, name):
        data = fit_data() if wanted_samples(METHODS[name]) != 0 else fit_data().part(torch.arange(0))
        spec = spec_of(name)
        fitted = fit(spec, data)
        assert perturber(spec, fitted, data).noise(batch_of(fit_data())).shape == (12, 8, 8, 3)

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


class TestReleasedError:
    @pytest.mark.parametrize("name", ["two-phase", "lbfgs two-phase"])
    @pytest.mark.parametrize("laid", [{}, {"arithmetic": "as-published"}, {"patch": 3}], ids=["", "published", "patch"])
    def test_it_is_the_error_under_the_noise_that_is_released(self, name, laid):
        data, spec = fit_data(), spec_of(name, epsilon=40, **laid)
        fitted = fit(spec, data)
        model = networks.build("tiny", 3, 8, 0, WIDTHS)
        model.load_state_dict(under("model", fitted.tensors))
        noise = perturber(spec, fitted).noise(batch_of(data))
        stored = (data.images.to(torch.int16) + noise).clamp_(0, 255).to(torch.uint8)
        wrong = int((predict(model, stored) != data.labels).sum())
        assert fitted.released_error == pytest.approx(wrong / 12, abs=1 / 12 + 1e-6)  # a float is no whole step
        assert fitted.stopped == ("at-lambda" if fitted.rounds[0].error == 0 else "at-cap")

    @pytest.mark.parametrize("name", [name for name in METHODS if "two-phase" not in name])
    def test_others_tell_it_by_their_rounds(self, name):
        assert fit(spec_of(name)).released_error is None

    @pytest.mark.parametrize("name", ["two-phase", "maximizing sample-wise"])
    def test_it_is_tried_on_a_bounded_part_of_the_fits_pictures(self, name, monkeypatch):
        seen = []

        class Spy:
            def __init__(self, made):
                self._made = made

            def noise(self, batch):
                seen.extend(batch.keys)
                return self._made.noise(batch)

        made = methods.perturber
        monkeypatch.setattr(methods, "perturber", lambda source: Spy(made(source)))
        monkeypatch.setattr(min_min_noise, "_TRIED", 5)
        fit(spec_of(name))
        assert len(set(seen)) == len(seen) == (5 if name == "two-phase" else 6)
        assert set(seen) <= set(fit_data().keys)


class TestWorkers:
    def test_threads_get_what_each_would_alone(self):
        data, spec = fit_data(24), spec_of("two-phase")
        made = perturber(spec, fit(spec, data), data)
        batches = [batch_of(data, slice(start, start + 12)) for start in (0, 12)] * 2
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(made.noise, batches))
        assert all(torch.equal(one, made.noise(batch)) for one, batch in zip(found, batches, strict=True))

    def test_a_batch_has_so_many_pixels_at_most(self, monkeypatch):
        data, spec = fit_data(12), spec_of("two-phase")
        source = NoiseSource(spec, fit(spec, data).tensors, data.classes, data.size, CPU)
        solve, lengths = descent(spec.budget, 0.5, 2), []

        def watched(model, x, *rest):
            lengths.append(len(x))
            return solve(model, x, *rest)

        whole = Frozen(spec.method, source, solve).noise(batch_of(data))
        monkeypatch.setattr(frozen, "_PIXELS", 5 * data.size**2 + 1)
        assert torch.equal(Frozen(spec.method, source, watched).noise(batch_of(data)), whole)
        assert lengths == [5, 5, 2]

    @FROZEN
    def test_it_can_be_sent_to_another_process(self, name):
        data, spec = fit_data(), spec_of(name)
        made = perturber(spec, fit(spec, data))
        again = cloudpickle.loads(cloudpickle.dumps(made))
        assert torch.equal(again.noise(batch_of(data)), made.noise(batch_of(data)))


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
