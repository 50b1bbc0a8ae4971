"""prefect.yaml: every deployment names a flow that is there, with parameters that it takes."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ParameterTypeError
from prefect.flows import load_flow_from_entrypoint

_ROOT = Path(__file__).parents[1]
_DEPLOYMENTS = yaml.safe_load((_ROOT / "prefect.yaml").read_text())["deployments"]
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
def test_the_parameter_form_says_what_each_field_is_and_what_it_takes(
    deployment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(_ROOT)
    form = load_flow_from_entrypoint(deployment["entrypoint"]).parameters.model_dump()
    known = form["definitions"]
    groups = {"": form, **known}
    assert [name for name, group in known.items() if not group.get("description")] == []
    fields = [(group, name, each) for group, found in groups.items() for name, each in found["properties"].items()]
    assert len(fields) > 100
    assert [(group, name) for group, name, each in fields if not _described(each, known)] == []
    assert [(group, name) for group, name, each in fields if not _bounded(each)] == []


def _described(field: dict[str, Any], known: dict[str, Any]) -> bool:
    """By itself, by the group that it is, or because it only says which group it is in."""
    group = known.get(field.get("$ref", "").rpartition("/")[2], {})
    return "const" in field or bool(field.get("description") or group.get("description"))


def _bounded(field: dict[str, Any]) -> bool:
    """A number has a least value, or is one of a few."""
    ways = [way for way in field.get("anyOf", [field]) if way.get("type") in {"integer", "number"}]
    return all({"minimum", "exclusiveMinimum", "enum", "const"} & way.keys() for way in ways)


def test_the_automations_are_ones_that_prefect_takes_and_see_only_our_runs() -> None:
    listed = yaml.safe_load((_ROOT / "infra" / "prefect" / "automations.yaml").read_text())["automations"]
    automations = [AutomationCore.model_validate(each) for each in listed]
    assert [each.name for each in automations] == ["unlearnable-retry-crashed", "unlearnable-crash-silent"]
    for each in listed:
        assert each["trigger"]["match_related"] == {
            "prefect.resource.role": "tag",
            "prefect.resource.id": "prefect.tag.unlearnable",
        }
