"""prefect.yaml: every deployment names a flow that is there, with parameters that it takes."""

from pathlib import Path

import pytest
import yaml
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ParameterTypeError
from prefect.flows import load_flow_from_entrypoint

_ROOT = Path(__file__).parents[1]
_DEPLOYMENTS = yaml.safe_load((_ROOT / "prefect.yaml").read_text())["deployments"]
_CONFIGS = ("ProtectConfig", "BucketConfig", "EvaluateConfig")
_each = pytest.mark.parametrize("deployment", _DEPLOYMENTS, ids=lambda each: each["name"])


def test_all_jobs_are_deployed() -> None:
    assert {each["name"]: each["entrypoint"] for each in _DEPLOYMENTS} == {
        "protect-dataset": "flows/protect.py:protect",
        "protect-bucket-nightly": "flows/protect_bucket.py:protect_bucket",
        "evaluate-weekly": "flows/evaluate.py:evaluate",
    }


@_each
def test_a_deployments_parameters_are_valid(deployment: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_ROOT)
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    assert flow.validate_parameters(deployment["parameters"])


def test_a_deployment_on_a_cluster_elsewhere_states_its_workers() -> None:
    """And what Prefect keeps of a run's parameters is taken again, by a retry for one."""
    flow = load_flow_from_entrypoint("flows/protect.py:protect")
    places = {"source": {"url": "s3://in"}, "destination": "s3://out", "workspace": "s3://private"}
    config = {**places, "runner": {"kind": "ray", "address": "ray://unlearnable-head-svc:10001", "gpus": 1}}
    with pytest.raises(ParameterTypeError, match="say with workers"):
        flow.validate_parameters({"config": config})
    taken = flow.validate_parameters({"config": {**config, "workers": 8}})
    assert flow.validate_parameters(flow.serialize_parameters(taken))["config"] == taken["config"]


@_each
def test_a_second_run_waits_for_the_first(deployment: dict) -> None:
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}


@_each
def test_a_deployment_has_a_schedule_a_pool_and_the_tag_that_automations_go_by(deployment: dict) -> None:
    (schedule,) = deployment["schedules"]
    assert CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])  # refuses what is none
    assert deployment["work_pool"]["name"] == "unlearnable"
    assert "unlearnable" in deployment["tags"]


@_each
def test_the_parameter_form_describes_its_fields(deployment: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_ROOT)
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    (config,) = (
        d
        for name, d in flow.parameters.definitions.items()
        if name in {"ProtectConfig", "BucketConfig", "EvaluateConfig"}
    )
    nested = {"source", "budget", "coverage", "clean", "test"}
    missing = [name for name, field in config["properties"].items() if "description" not in field]
    assert set(missing) <= nested


def test_the_automations_are_ones_that_prefect_takes_and_see_only_our_runs() -> None:
    listed = yaml.safe_load((_ROOT / "infra" / "prefect" / "automations.yaml").read_text())["automations"]
    automations = [AutomationCore.model_validate(each) for each in listed]
    assert [each.name for each in automations] == ["unlearnable-retry-crashed", "unlearnable-crash-silent"]
    for each in listed:
        assert each["trigger"]["match_related"] == {
            "prefect.resource.role": "tag",
            "prefect.resource.id": "prefect.tag.unlearnable",
        }
