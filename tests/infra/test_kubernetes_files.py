"""The Kubernetes and Ray files of infra/, against Kubernetes' own schemas and by what Prefect makes of them."""

import asyncio
import copy
import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import infra.prefect_settings  # noqa: F401 - before Prefect

import kubernetes_validate
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.server.schemas.actions import WorkPoolCreate
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration, KubernetesWorkerVariables

from tests.infra.deployment_files import INFRA, UID, documents, environment, pods, walk

KUBERNETES = "1.34"
OBJECTS = [
    document
    for folder in ("kubernetes", "kuberay")
    for file in sorted((INFRA / folder).glob("*.yaml"))
    for document in documents(file)
]
POOL = documents(INFRA / "kubernetes" / "work-pool.json")[0]
PODS = pods()
AUTH = {"secretKeyRef": {"name": "unlearnable", "key": "PREFECT_API_AUTH_STRING", "optional": True}}
# What the product reads on the machine where tasks run, jobs and Ray nodes alike.
NEEDED = {
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "UNLEARNABLE_KEY",
    "UNLEARNABLE_STORAGE",
}
STORAGE = {"name": "storage", "configMap": {"name": "unlearnable-storage", "optional": True}}
SECRET = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "UNLEARNABLE_KEY", "RAY_AUTH_TOKEN"}


def check(document: dict[str, Any]) -> None:
    """Raise unless Kubernetes knows every field of the object, and each has the type that it should."""
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


def as_pod(template: dict[str, Any]) -> dict[str, Any]:
    """A pod of its own, from the template of one."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", **template["metadata"]},
        "spec": template["spec"],
    }


def job(**variables: Any) -> dict[str, Any]:
    """The manifest that Prefect's worker would send for a flow run, with these job variables."""
    fields = POOL["variables"]["properties"].items()
    values = {name: field["default"] for name, field in fields if "default" in field} | variables
    made = asyncio.run(KubernetesWorkerJobConfiguration.from_template_and_values(POOL, values))
    made.prepare_for_flow_run(FlowRun(id=uuid4(), flow_id=uuid4(), name="brave-otter"))
    return json.loads(json.dumps(made.job_manifest))


def known(manifest: dict[str, Any]) -> dict[str, Any]:
    """A job without two fields that Prefect demands in the pod, where Kubernetes passes over them."""
    manifest = copy.deepcopy(manifest)
    spec = manifest["spec"]["template"]["spec"]
    assert (spec.pop("parallelism"), spec.pop("completions")) == (1, 1)
    return manifest


@pytest.mark.parametrize("document", OBJECTS, ids=lambda document: f"{document['kind']} {document['metadata']['name']}")
def test_objects_fit_kubernetes_schemas(document: dict[str, Any]):
    if document["kind"] == "RayCluster":
        for template in (PODS["ray head"], PODS["ray gpu"]):
            check(as_pod(template))
    else:
        check(document)


def test_schemas_bite():
    wrong = as_pod(copy.deepcopy(PODS["worker"]))
    wrong["spec"]["containers"][0]["imagePolicy"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagePolicy"):
        check(wrong)


def test_everything_lies_in_the_namespace():
    (namespace,) = [each for each in OBJECTS if each["kind"] == "Namespace"]
    name = namespace["metadata"]["name"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {each["metadata"]["namespace"] for each in OBJECTS if each is not namespace} == {name}
    assert POOL["variables"]["properties"]["namespace"]["default"] == name


@pytest.mark.parametrize("name", PODS)
def test_pods_keep_the_restricted_standard(name: str):
    spec = PODS[name]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == UID
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert [volume for volume in spec["volumes"] if set(volume) != {"name", "emptyDir"} and volume != STORAGE] == []
    written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert written == {"/home/unlearnable", "/tmp"}
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", ["worker", "job"])
def test_root_file_systems_are_read_only(name: str):
    assert PODS[name]["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_worker_has_no_right_but_on_its_jobs():
    roles = [each for each in OBJECTS if "Role" in each["kind"]]
    assert {each["kind"] for each in roles} == {"Role", "RoleBinding"}
    rights = {
        (resource, verb)
        for each in roles
        for rule in each.get("rules", [])
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    looking = {(resource, verb) for resource in ("jobs", "pods", "events") for verb in ("get", "list", "watch")}
    assert rights == looking | {("jobs", "create"), ("jobs", "delete"), ("pods/log", "get")}


@pytest.mark.parametrize("name", ["job", "ray gpu"])
def test_pods_that_do_the_work_get_no_token(name: str):
    assert PODS[name]["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", ["job", "ray gpu"])
def test_pods_that_do_the_work_have_what_the_product_reads(name: str):
    given = environment(PODS[name])
    assert set(given) >= NEEDED | {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}
    assert {variable: set(given[variable]) for variable in SECRET} == {
        variable: {"secretKeyRef"} for variable in SECRET
    }
    assert {variable: given[variable]["secretKeyRef"]["key"] for variable in SECRET} == {name: name for name in SECRET}


@pytest.mark.parametrize("name", ["job", "ray gpu"])
def test_storage_options_are_read_where_their_file_is_mounted(name: str):
    """One command of the page makes the ConfigMap: the file, and the variable that leads to it."""
    spec = PODS[name]["spec"]
    assert environment(PODS[name])["UNLEARNABLE_STORAGE"] == {
        "configMapKeyRef": {"name": "unlearnable-storage", "key": "UNLEARNABLE_STORAGE", "optional": True}
    }
    assert STORAGE in spec["volumes"]
    (mount,) = [each for each in spec["containers"][0]["volumeMounts"] if each["name"] == "storage"]
    page = re.sub(r"\\\n\s*", "", (INFRA / "README.md").read_text())
    (file, path) = re.findall(r"create configmap unlearnable-storage --from-file=(\S+) --from-literal=(\S+)", page)[0]
    assert path == f"UNLEARNABLE_STORAGE={mount['mountPath']}/{file}"


def test_ray_nodes_report_to_the_server():
    given = environment(PODS["ray gpu"])
    assert given["PREFECT_API_URL"] == {"configMapKeyRef": {"name": "unlearnable", "key": "PREFECT_API_URL"}}
    assert given["PREFECT_API_AUTH_STRING"] == AUTH


def test_config_map_has_what_pods_ask_of_it():
    (held,) = [each["data"] for each in OBJECTS if each["kind"] == "ConfigMap"]
    asked = [value for _, value in walk([*OBJECTS, POOL]) if isinstance(value, dict) and "configMapKeyRef" in value]
    asked = [each["configMapKeyRef"] for each in asked]
    assert asked
    assert [each for each in asked if each["key"] not in held and not each.get("optional")] == []


def test_ray_cluster_is_bounded_and_its_head_computes_nothing():
    spec = documents(INFRA / "kuberay" / "raycluster.yaml")[0]["spec"]
    assert spec["enableInTreeAutoscaling"] is True
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    (group,) = spec["workerGroupSpecs"]
    assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"] <= 8
    assert group["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    heads = {entry["name"]: entry for entry in PODS["ray head"]["spec"]["containers"][0]["env"]}
    assert heads["RAY_AUTH_MODE"]["value"] == "token"
    assert heads["GRPC_ENABLE_FORK_SUPPORT"]["value"] == "0"


@pytest.mark.usefixtures("prefect_server")
def test_only_jobs_and_ray_nodes_reach_ray_nodes():
    (policy,) = [each["spec"] for each in OBJECTS if each["kind"] == "NetworkPolicy"]
    guarded = policy["podSelector"]["matchLabels"].items()
    assert all(guarded <= PODS[name]["metadata"]["labels"].items() for name in ("ray head", "ray gpu"))
    sources = [peer["podSelector"]["matchLabels"] for rule in policy["ingress"] for peer in rule["from"]]
    assert sources == [{"unlearnable/role": "ray"}, {"unlearnable/role": "job"}]
    assert job()["spec"]["template"]["metadata"]["labels"]["unlearnable/role"] == "job"
    page = (INFRA.parent / "docs" / "scaling.md").read_text()
    assert "`unlearnable/role: job`" in page
    assert "ray job submit" not in page  # the head, where it would run, has neither key nor credentials


def test_prefect_takes_the_work_pool():
    """Its own rule: each variable of the configuration is declared."""
    made = WorkPoolCreate(name="unlearnable", type="kubernetes", base_job_template=POOL)
    assert made.base_job_template == POOL


def test_prefect_refuses_the_work_pool_with_a_variable_less():
    lacking = copy.deepcopy(POOL)
    del lacking["variables"]["properties"]["gpus"]
    with pytest.raises(ValueError, match="gpus"):
        WorkPoolCreate(name="unlearnable", type="kubernetes", base_job_template=lacking)


def test_every_variable_is_used_and_described():
    text = json.dumps(POOL["job_configuration"])
    for name, field in POOL["variables"]["properties"].items():
        assert f"{{{{ {name} }}}}" in text, name
        assert field["description"]
    assert set(KubernetesWorkerVariables.model_fields) - set(POOL["variables"]["properties"]) <= {
        "backoff_limit",
        "cluster_config",
        "job_watch_timeout_seconds",
        "cpu_request",
        "cpu_limit",
        "memory_request",
        "memory_limit",
    }


@pytest.mark.usefixtures("prefect_server")
def test_a_job_by_default_fits_kubernetes_and_asks_for_a_gpu():
    made = job()
    check(known(made))
    container = made["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container["args"] == ["prefect", "flow-run", "execute"]
    assert "command" not in container
    assert made["metadata"]["generateName"] == "brave-otter-"


@pytest.mark.usefixtures("prefect_server")
def test_a_job_takes_what_its_deployment_sets():
    made = job(gpus=0, memory="2Gi", secret="other-key", env={"OMP_NUM_THREADS": "2"}, node_selector={"disk": "fast"})
    check(known(made))
    spec = made["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"disk": "fast"}
    assert spec["containers"][0]["resources"]["limits"] == {"memory": "2Gi", "nvidia.com/gpu": 0}
    given = environment({"spec": spec})
    assert given["OMP_NUM_THREADS"] == "2"
    assert {given[name]["secretKeyRef"]["name"] for name in SECRET} == {"other-key"}


def test_folder_has_no_file_that_is_not_checked():
    kinds = {file.suffix for folder in ("kubernetes", "kuberay", "policies") for file in Path(INFRA / folder).iterdir()}
    assert kinds <= {".yaml", ".json", ".md"}
