"""The demo, piece by piece: what it would run is valid, distinct and what its page says. `.ci/run` runs it whole."""

import pytest

from flows import demo as module
from flows.demo import demo
from schemas.evaluate import EvaluateConfig, Evaluation
from schemas.noise import ErrorMinimizing, RandomNoise
from schemas.protect import ProtectConfig
from tasks.evaluate.cells import cells
from tasks.rewrite.places import check_apart

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def asked(monkeypatch):
    """What the demo asks the other flows for, instead of their work."""
    found: dict[str, list] = {"protect": [], "evaluate": []}

    def evaluate(config):
        found["evaluate"].append(config)
        return Evaluation.model_construct(runs=(), report=None)

    monkeypatch.setattr(module, "protect", found["protect"].append)
    monkeypatch.setattr(module, "evaluate", evaluate)
    return found


def test_it_protects_by_every_method_in_both_forms_and_evaluates_all_copies_at_once(asked, tmp_path):
    demo(str(tmp_path / "demo"), seeds=2, workers=1, device="cpu")
    jobs, (evaluation,) = asked["protect"], asked["evaluate"]
    assert {(job.method.kind, job.method.form) for job in jobs} == {
        (kind, form) for kind in ("random", "error-minimizing") for form in ("class-wise", "sample-wise")
    }
    assert evaluation.protected == tuple(job.destination for job in jobs)
    assert (evaluation.seeds, evaluation.device) == (2, "cpu")
    assert evaluation.clean.url == evaluation.test.url == "digits"
    assert (evaluation.clean.split, evaluation.test.split) == ("train", "test")
    assert len(cells(evaluation)) == 1 * 1 * (1 + 4) * 2


def test_all_that_it_asks_for_is_valid_and_apart(asked, tmp_path):
    demo(str(tmp_path / "demo"), seeds=1, workers=3, device="cpu")
    for job in asked["protect"]:
        assert ProtectConfig.model_validate(job.model_dump()) == job
        check_apart(job)
        assert (job.source.url, job.workers, job.device) == ("digits", 3, "cpu")
        for place in (job.destination, job.workspace):
            assert place.startswith(str(tmp_path / "demo"))
    (evaluation,) = asked["evaluate"]
    assert EvaluateConfig.model_validate(evaluation.model_dump()) == evaluation
    places = [place for job in asked["protect"] for place in (job.destination, job.workspace)]
    assert len({*places, evaluation.workspace}) == 9


def test_its_methods_stay_valid_when_read_again():
    """They are made by copying, which checks nothing."""
    for method in module._METHODS:
        kind = ErrorMinimizing if method.kind == "error-minimizing" else RandomNoise
        assert kind.model_validate(method.model_dump()) == method
    assert module._VICTIM.model_validate(module._VICTIM.model_dump()) == module._VICTIM
