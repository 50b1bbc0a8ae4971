import math
from itertools import chain

import pytest
import torch

from infra.errors import DataError
from schemas.noise import ErrorMinimizing
from tasks.nn import networks
from tasks.nn.fold import fold
from tasks.noise import minmin
from tasks.noise.journal import Unkept
from tasks.noise.pgd import descent
from tasks.noise.sample_wise import SampleWise
from tests.tasks.nn.helpers import WIDTHS
from tests.tasks.noise.helpers import fit_data, spec_of

METHOD = ErrorMinimizing(widths=WIDTHS, model_steps=2, min_rounds=1, max_rounds=4, batch_size=8, stop_error=0.05)


class Recorder:
    """Noise that stays zero; it counts the rounds and keeps the model that each of them had."""

    def __init__(self, data):
        self.data, self.models, self.looked_up = data, [], []

    def look_up(self, chosen):
        self.looked_up.append(chosen.tolist())
        return torch.zeros(len(chosen), 3, self.data.size, self.data.size)

    def improve(self, model):
        self.models.append(model)
        return 100

    def snapshot(self):
        return torch.tensor([len(self.models)], dtype=torch.int8)

    def state(self):
        return {}


class Heard(Unkept):
    """A journal that remembers the rounds it hears of."""

    def __init__(self):
        self.rounds = []

    def heard(self, one):
        self.rounds.append(one)


def run(monkeypatch, measured, method=METHOD):
    answers = iter(measured)
    monkeypatch.setattr(minmin, "measure", lambda *_: next(answers))
    data = fit_data()
    state, journal = Recorder(data), Heard()
    return minmin.run(method, data, state, 1, journal), state, journal.rounds


def fit(method, data, seed=1):
    spec = spec_of(method)
    state = SampleWise(method, spec, descent(spec.budget, method.alpha, method.steps), data)
    return minmin.run(method, data, state, seed, Unkept())


def model_of(kept):
    """The kept source model, folded."""
    model = networks.build("tiny", 3, 8, 0, METHOD.widths)
    model.load_state_dict(kept.model)
    return fold(model)


def same_function(one, two):
    x = torch.rand(2, 3, 8, 8)
    return torch.equal(one(x), two(x))


@pytest.mark.parametrize(
    ("measured", "kept"),
    [
        ([(0.5, 1.0), (0.1, 0.3), (0.3, 0.2), (0.9, 2.0)], 2),
        ([(0.1, 1.0), (0.2, 0.3), (0.3, 0.2), (0.4, 0.1)], 1),
        ([(0.4, 1.0), (0.3, 0.3), (0.2, 0.2), (0.1, 0.1)], 4),
        ([(0.1, 0.5), (0.1, 0.4), (0.1, 0.3), (0.1, 0.6)], 3),
    ],
)
def test_the_round_of_lowest_error_is_kept_with_its_model_and_its_noise(monkeypatch, measured, kept):
    outcome, state, heard = run(monkeypatch, measured)
    assert (outcome.kept.number, outcome.kept.noise.item()) == (kept, kept)
    assert (outcome.kept.error, outcome.kept.loss) == measured[kept - 1]
    found = model_of(outcome.kept)
    assert [same_function(found, model) for model in state.models] == [i + 1 == kept for i in range(4)]
    assert outcome.stopped == "at-cap"
    assert [(r.round, r.error, r.loss) for r in outcome.rounds] == [(i + 1, *m) for i, m in enumerate(measured)]
    assert tuple(heard) == outcome.rounds


@pytest.mark.parametrize("error", [0.05, 0.0])
def test_it_stops_at_lambda(monkeypatch, error):
    outcome, state, _ = run(monkeypatch, [(0.5, 1.0), (error, 0.3), (0.0, 0.0), (0.0, 0.0)])
    assert len(outcome.rounds) == len(state.models) == 2
    assert (outcome.kept.number, outcome.stopped) == (2, "at-lambda")


def test_nothing_is_kept_and_nothing_stops_before_the_rounds_that_are_asked_for(monkeypatch):
    measured = [(0.0, 0.1), (0.5, 1.0), (0.4, 0.9), (0.01, 0.2)]
    outcome, _, _ = run(monkeypatch, measured, METHOD.model_copy(update={"min_rounds": 3}))
    assert (len(outcome.rounds), outcome.kept.number, outcome.kept.noise.item()) == (4, 4, 4)
    outcome, _, _ = run(monkeypatch, measured, METHOD.model_copy(update={"min_rounds": 9, "max_rounds": 2}))
    assert (len(outcome.rounds), outcome.kept.number, outcome.stopped) == (2, 2, "at-cap")


@pytest.mark.parametrize("lost", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("error", [0.0, 0.9])
def test_a_fit_ends_when_its_loss_is_no_number_and_says_so(monkeypatch, lost, error):
    outcome, _, _ = run(monkeypatch, [(0.5, 1.0), (0.4, 0.9), (error, lost), (0.0, 0.1)])
    assert len(outcome.rounds) == 3
    assert (outcome.kept.number, outcome.kept.noise.item(), outcome.stopped) == (2, 2, "diverged")


def test_it_diverged_also_when_its_last_round_was_the_one_that_did(monkeypatch):
    outcome, _, _ = run(monkeypatch, [(0.5, 1.0), (0.4, 0.9), (0.3, 0.9), (0.0, math.nan)])
    assert (len(outcome.rounds), outcome.kept.number, outcome.stopped) == (4, 3, "diverged")


@pytest.mark.parametrize("rounds_before", [1, 3])
def test_a_fit_that_has_nothing_to_keep_is_an_error_with_a_mend(monkeypatch, rounds_before):
    measured = [(0.5, 1.0)] * (rounds_before - 1) + [(0.0, math.nan)] * 3
    with pytest.raises(DataError, match=f"not a number in round {rounds_before}") as caught:
        run(monkeypatch, measured, METHOD.model_copy(update={"min_rounds": 4}))
    assert "smaller learning rate in method.lr" in caught.value.mend


def test_a_round_is_m_model_steps_and_the_batches_run_on_through_rounds(monkeypatch):
    method = METHOD.model_copy(update={"model_steps": 3, "max_rounds": 2, "batch_size": 4})
    outcome, state, _ = run(monkeypatch, [(0.5, 1.0)] * 2, method)
    # Twelve samples in batches of four: three steps a round are just one pass.
    assert [sorted(chain(*state.looked_up[start : start + 3])) for start in (0, 3)] == [list(range(12))] * 2
    assert state.looked_up[:3] != state.looked_up[3:6]
    assert [r.image_steps for r in outcome.rounds] == [12 + 100] * 2


def test_the_noise_step_sees_a_frozen_model_without_batch_statistics(monkeypatch):
    _, state, _ = run(monkeypatch, [(0.5, 1.0)] * 4)
    assert len(state.models) == 4
    for model in state.models:
        assert not model.training
        assert not any(p.requires_grad for p in model.parameters())
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())


def test_the_error_falls_on_easy_data():
    data = fit_data(48)
    method = METHOD.model_copy(update={"model_steps": 10, "max_rounds": 6, "batch_size": 16, "lr": 0.05})
    outcome = fit(method, data)
    kept = outcome.rounds[outcome.kept.number - 1]
    assert kept.error == min(r.error for r in outcome.rounds)
    assert kept.error < 0.3
    assert outcome.kept.noise.abs().max() == 8
    assert all(0 <= r.error <= 1 and r.seconds > 0 for r in outcome.rounds)
    assert outcome.stopped == ("at-lambda" if kept.error <= 0.05 else "at-cap")


def test_noise_that_nobody_asks_for_is_not_kept_and_changes_nothing_else():
    spec, data = spec_of(METHOD), fit_data()
    outcomes = []
    for keep_noise in (True, False):
        state = SampleWise(METHOD, spec, descent(spec.budget, METHOD.alpha, METHOD.steps), data)
        outcomes.append(minmin.run(METHOD, data, state, 1, Unkept(), keep_noise))
    kept, bare = (outcome.kept for outcome in outcomes)
    assert (kept.noise.shape, bare.noise.numel()) == (data.images.shape, 0)
    assert (kept.number, kept.error, kept.loss) == (bare.number, bare.error, bare.loss)
    assert all(torch.equal(kept.model[name], bare.model[name]) for name in kept.model)


def test_a_learning_rate_that_breaks_the_model_does_not_pass_for_protection():
    data = fit_data()
    method = METHOD.model_copy(update={"lr": 1e30, "clip": 1e30})
    with pytest.raises(DataError, match="not a number"):
        fit(method, data)
