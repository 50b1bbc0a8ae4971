"""Error-maximizing noise does what its name says, against a source model that was trained as usual."""

import functools

import pytest
import torch

from infra.errors import ConfigurationError, DataError
from schemas.noise import ErrorMaximizing
from schemas.recipe import TinyRecipe
from tasks.nn import networks
from tasks.nn.batches import to_float
from tasks.nn.fold import fold
from tasks.nn.train import Training, predict
from tasks.noise.measure import measure
from tasks.noise.pgd import error_and_loss
from tests.tasks.nn.helpers import WIDTHS
from tests.tasks.noise.helpers import batch_of, fit, fit_data, perturber, spec_of

RECIPE = TinyRecipe(epochs=8, batch_size=16, lr=0.05, schedule="constant")


def method(**changes):
    fields = {"form": "sample-wise", "widths": WIDTHS, "training": RECIPE, "batch_size": 16, "steps": 10, "subset": 0.5}
    return ErrorMaximizing(**{**fields, **changes})


@functools.cache
def data():
    return fit_data(48)


def fitted_with(spec):
    fitted = fit(spec, data())
    return fitted, perturber(spec, fitted, data()).noise(batch_of(data())).permute(0, 3, 1, 2).float() / 255


def source_model(fitted):
    model = networks.build("tiny", 3, 8, 0, WIDTHS)
    model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in fitted.tensors.items()})
    return model


def errors_and_losses(model, noise):
    x, frozen = to_float(data().images), fold(model)
    return [error_and_loss(frozen, moved, data().labels) for moved in (x, (x + noise).clamp(0, 1))]


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 32), ("l2", 300)])
def test_the_source_model_is_trained_and_the_noise_raises_its_loss(norm, epsilon):
    fitted, noise = fitted_with(spec_of(method(), epsilon, norm))
    model = source_model(fitted)
    assert (predict(model, data().images) == data().labels).float().mean() > 0.9
    (wrong, loss), (more_wrong, more_loss) = errors_and_losses(model, noise)
    assert more_loss > 2 * loss
    assert more_wrong > wrong + 12


def test_its_one_round_tells_the_error_that_it_brings():
    fitted, noise = fitted_with(spec_of(method(subset=1.0), 32))
    (told,) = fitted.rounds
    wrong = errors_and_losses(source_model(fitted), noise)[1][0]
    assert told.error == pytest.approx(float(wrong) / 48, abs=0.1)
    assert fitted.stopped == ("at-lambda" if told.error >= 0.8 else "at-cap")


@pytest.mark.parametrize(("target", "stopped"), [(1e-9, "at-lambda"), (1.0, "at-cap")])
def test_sample_wise_it_says_whether_its_target_was_reached(target, stopped):
    fitted = fit(spec_of(method(stop_error=target), 1 if target == 1 else 64), data())
    assert (fitted.stopped, fitted.kept_round) == (stopped, 1)


class TestUniversal:
    def spec(self, rounds=6, target=1.0):
        return spec_of(method(form="class-wise", steps=1, alpha=0.1, stop_error=target, max_rounds=rounds), 16)

    def test_the_error_rises_by_passes_up_to_the_cap(self):
        fitted = fit(self.spec(), data())
        errors, losses = [r.error for r in fitted.rounds], [r.loss for r in fitted.rounds]
        assert [r.round for r in fitted.rounds] == list(range(1, 7))
        assert losses == sorted(losses)
        assert losses[-1] > 2 * losses[0]
        assert errors[-1] > errors[0] + 0.3
        assert (fitted.kept_round, fitted.stopped) == (6, "at-cap")

    def test_a_pass_more_is_noise_that_raises_the_loss_more(self):
        short, long = fit(self.spec(rounds=1), data()), fit(self.spec(), data())
        assert short.rounds[0].loss == long.rounds[0].loss
        assert long.rounds[-1].loss > short.rounds[0].loss

    def test_it_stops_at_its_target(self):
        errors = [r.error for r in fit(self.spec(), data()).rounds]
        target = errors[3]
        fitted = fit(self.spec(target=target), data())
        first = next(i for i, error in enumerate(errors, 1) if error >= target)
        assert 1 < first < 6
        assert (len(fitted.rounds), fitted.kept_round, fitted.stopped) == (first, first, "at-lambda")

    def test_the_noise_is_that_of_the_last_pass(self):
        spec = self.spec()
        fitted = fit(spec, data())
        sample_wise = fit(spec_of(method(), 16), data())
        noise = perturber(spec, fitted, data()).noise(batch_of(data())).permute(0, 3, 1, 2).float() / 255
        found = measure(fold(source_model(sample_wise)), data(), lambda chosen: noise[chosen], 16)
        assert found == pytest.approx((fitted.rounds[-1].error, fitted.rounds[-1].loss), abs=0.05)


@pytest.mark.parametrize("form", ["sample-wise", "class-wise"])
def test_a_source_model_whose_training_diverged_is_an_error_with_a_mend(form):
    broken = RECIPE.model_copy(update={"lr": 1e30, "clip": 1e30})
    with pytest.raises(DataError, match="not a number in epoch") as caught:
        fit(spec_of(method(form=form, training=broken)), data())
    assert "smaller learning rate in method.training.lr" in caught.value.mend


@pytest.mark.parametrize("form", ["sample-wise", "class-wise"])
def test_too_large_a_patch_is_refused_before_a_model_is_trained(form, monkeypatch):
    monkeypatch.setattr(Training, "epochs", lambda *_: pytest.fail("a model was trained in vain"))
    with pytest.raises(ConfigurationError, match="patch of 9 pixels"):
        fit(spec_of(method(form=form), patch=9), data())


def test_one_source_model_serves_both_forms():
    fitted = fit(spec_of(method()), data())
    again = fit(spec_of(method(), epsilon=16), data())
    assert all(torch.equal(fitted.tensors[name], again.tensors[name]) for name in fitted.tensors)
