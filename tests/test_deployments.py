"""prefect.yaml: every deployment names a flow that is there, with parameters that it takes."""

from pathlib import Path

import pytest
import yaml
from prefect.flows import load_flow_from_entrypoint

_FILE = Path(__file__).parents[1] / "prefect.yaml"
_DEPLOYMENTS = yaml.safe_load(_FILE.read_text())["deployments"]


def test_both_jobs_are_deployed() -> None:
    assert {each["entrypoint"] for each in _DEPLOYMENTS} == {
        "flows/protect.py:protect",
        "flows/evaluate.py:evaluate",
    }


@pytest.mark.parametrize("deployment", _DEPLOYMENTS, ids=lambda each: each["name"])
def test_a_deployments_parameters_are_valid(deployment: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_FILE.parent)
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    assert flow.validate_parameters(deployment["parameters"])


@pytest.mark.parametrize("deployment", _DEPLOYMENTS, ids=lambda each: each["name"])
def test_a_second_run_waits_for_the_first(deployment: dict) -> None:
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}


@pytest.mark.parametrize("deployment", _DEPLOYMENTS, ids=lambda each: each["name"])
def test_the_parameter_form_describes_its_fields(deployment: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_FILE.parent)
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    (config,) = (d for name, d in flow.parameters.definitions.items() if name.endswith("Config"))
    nested = {"source", "budget", "coverage", "clean", "test"}
    missing = [name for name, field in config["properties"].items() if "description" not in field]
    assert set(missing) <= nested
