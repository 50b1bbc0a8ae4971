"""The files of infra/ that deploy: what they promise of users, rights, secrets and ports, whatever reads them."""

import importlib.util
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import infra.prefect_settings  # noqa: F401 - before Prefect

import prefect.settings
import pytest

from tests.infra.deployment_files import INFRA, ROOT, UID, documents, example, files, walk

COMPOSE = documents(INFRA / "compose" / "compose.yaml")[0]
SERVICES = COMPOSE["services"]
DOCKERFILE = (INFRA / "docker" / "Dockerfile").read_text()
SECRETS = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "UNLEARNABLE_KEY",
    "PREFECT_API_AUTH_STRING",
    "POSTGRES_PASSWORD",
    "RAY_AUTH_TOKEN",
}
# Variables by which an image takes a secret under a name of its own.
SECRET = re.compile(r"PASSWORD|SECRET_KEY|ACCESS_KEY|AUTH_STRING|AUTH_TOKEN|UNLEARNABLE_KEY|CONNECTION_URL")
REFERENCE = re.compile(r"\$\{([A-Z0-9_]+)(:?[-?+][^}]*)?\}")


def library(name: str) -> Path:
    """Where a package is installed; importing it would take seconds."""
    spec = importlib.util.find_spec(name)
    assert spec
    assert spec.origin
    return Path(spec.origin).parent


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / name), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(INFRA)))
def test_files_parse_and_hold_something(file: Path):
    assert all(isinstance(document, dict) and document for document in documents(file))


def test_hadolint_finds_nothing_in_the_dockerfile():
    done = tool("hadolint", INFRA / "docker" / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_bites(tmp_path: Path):
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python\nRUN apt-get install curl\n")
    done = tool("hadolint", bad)
    assert done.returncode == 1
    assert "DL3006" in done.stdout


def test_image_is_pinned_and_not_root():
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11\.\d+-slim-[a-z]+$", DOCKERFILE, flags=re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    assert re.findall(r"^USER (\S+)", DOCKERFILE, flags=re.MULTILINE) == [f"{UID}:{UID}"]


def test_image_installs_by_hash_alone():
    installs = re.findall(r"pip (?:install|sync) .*", DOCKERFILE)
    assert len(installs) == 3
    assert [line for line in installs if "--require-hashes" not in line and "--offline --no-deps" not in line] == []


def test_image_has_no_secret():
    assert [name for name in SECRETS if name in DOCKERFILE] == []


def test_builder_sees_named_files_alone():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = [rule[1:].rstrip("/") for rule in rules if rule.startswith("!")]
    assert [name for name in allowed if not (ROOT / name).exists()] == []
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    }
    assert copied == set(allowed)
    assert "**/.env*" in rules[rules.index("!requirements.lock") :]


@pytest.mark.parametrize("name", ["compose.yaml", "gpu.yaml"])
def test_compose_files_fit_the_specification(name: str):
    done = tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", INFRA / "compose" / name)
    assert done.returncode == 0, done.stdout


def test_compose_schema_bites(tmp_path: Path):
    bad = tmp_path / "compose.yaml"
    bad.write_text("services: {a: {image: b, port: [80]}}\n")
    assert tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", bad).returncode == 1


def test_compose_publishes_on_loopback_alone():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_compose_services_are_guarded(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "ipc"} & set(service)
    if service["image"].startswith("unlearnable:"):
        assert "user" not in service  # the image's own, which is not root
    else:
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])


@pytest.mark.parametrize("name", SERVICES)
def test_compose_services_say_when_they_are_healthy(name: str):
    service = SERVICES[name]
    ends = service["restart"] == "no"
    assert ends != ("healthcheck" in service)
    for other, wanted in service.get("depends_on", {}).items():
        done = SERVICES[other]["restart"] == "no"
        assert wanted["condition"] == ("service_completed_successfully" if done else "service_healthy")


def test_compose_images_are_pinned():
    images = {service["image"] for service in SERVICES.values()}
    assert [image for image in images if not re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?", image)] == []


def test_compose_takes_no_secret_from_itself():
    """What is secret comes from .env, and its absence ends the command; the product's key alone may be absent."""
    given = {
        (name, key): value
        for name, service in SERVICES.items()
        for key, value in service.get("environment", {}).items()
        if SECRET.search(key)
    }
    assert given.pop(("worker", "UNLEARNABLE_KEY")) is None
    assert given
    assert {place: value for place, value in given.items() if not re.fullmatch(r"\$\{\w+:\?[^}]+\}", value)} == {}


def test_compose_volumes_and_networks_are_declared():
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount["type"] for mount in mounts if isinstance(mount, dict)} == {"bind"}
    named = {v.split(":")[0] for v in mounts if isinstance(v, str) and not v.startswith(".")}
    assert named == set(COMPOSE["volumes"])
    assert {n for s in SERVICES.values() for n in s.get("networks", [])} == set(COMPOSE["networks"])


def test_compose_hands_the_worker_the_file_of_storage_options():
    """Where .env names one: mounted, and the variable leads there. A file that is not there ends the command."""
    worker = SERVICES["worker"]
    (mount,) = worker["volumes"]
    assert worker["environment"]["UNLEARNABLE_STORAGE"] == f"${{UNLEARNABLE_STORAGE:+{mount['target']}}}"
    assert (mount["source"], mount["read_only"]) == ("${UNLEARNABLE_STORAGE:-/dev/null}", True)
    assert mount["bind"] == {"create_host_path": False}


def test_database_is_reached_by_the_server_alone():
    assert {name for name, service in SERVICES.items() if "database" in service.get("networks", [])} == {
        "postgres",
        "server",
    }
    assert COMPOSE["networks"]["database"] == {"internal": True}
    assert "ports" not in SERVICES["postgres"]


def test_every_variable_of_compose_is_in_the_example():
    text = (INFRA / "compose" / "compose.yaml").read_text()
    wanted = {name for name, _ in REFERENCE.findall(text)} | {"UNLEARNABLE_KEY"}
    assert wanted - set(example()) == set()


def test_every_variable_of_the_example_is_read_by_something():
    ours = (file for folder in ("infra", "flows", "tests") for file in (ROOT / folder).rglob("*"))
    theirs = [*library("botocore").glob("*.py"), *(library("ray") / "_private" / "authentication").glob("*.py")]
    places = [file for file in ours if file.suffix in {".py", ".yaml", ".sh"} and file != Path(__file__)]
    read = {name for file in [*places, *theirs] for name in re.findall(r"[A-Z][A-Z0-9_]{4,}", file.read_text())}
    unread = set(example()) - read
    assert {name for name in unread if not hasattr(prefect.settings, name)} == set()


def test_every_secret_is_in_the_example_and_has_no_value_there():
    given = example()
    assert set(given) >= SECRETS
    assert {name: value for name, value in given.items() if SECRET.search(name) and value} == {}


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(INFRA)))
def test_no_value_looks_like_a_secret(file: Path):
    text = file.read_text()
    assert re.findall(r"AKIA[0-9A-Z]{16}|-----BEGIN|eyJ[A-Za-z0-9_-]{20,}|\b[0-9a-f]{40,}\b", text) == []
    for document in documents(file):
        assert "Secret" not in {value for key, value in walk(document) if key == "kind"}
        for entries in (value for key, value in walk(document) if key == "env" and isinstance(value, list)):
            plain = [entry["name"] for entry in entries if SECRET.search(entry["name"]) and "value" in entry]
            assert [name for name in plain if not name.endswith(("_SECRET_NAME", "_SECRET_KEY"))] == []


def test_versions_are_those_of_the_project():
    product = {
        value
        for file in files()
        for document in documents(file)
        for key, value in walk(document)
        if key in {"image", "default"} and str(value).startswith("unlearnable:")
    }
    assert product == {f"unlearnable:{version('unlearnable')}"}
    assert f"-t unlearnable:{version('unlearnable')} ." in DOCKERFILE
    ray = re.search(r"^ray==(\S+)", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    assert ray
    assert documents(INFRA / "kuberay" / "raycluster.yaml")[0]["spec"]["rayVersion"] == ray[1]


@pytest.mark.parametrize("page", sorted(INFRA.rglob("*.md")), ids=lambda page: str(page.relative_to(INFRA)))
def test_pages_lead_to_files_that_are_there(page: Path):
    text = page.read_text()
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []
    named = re.findall(r"(?:-f |-base-job-template |--from-file |file://)(infra/[\w./-]+)|pytest (tests/[\w./]+)", text)
    assert [path for both in named for path in both if path and not (ROOT / path).exists()] == []


def test_every_way_to_deploy_makes_the_automations():
    """Without them no crashed run is ever tried again."""
    ways = [INFRA / "prefect" / "local.sh", INFRA / "compose" / "setup.sh", INFRA / "README.md"]
    made = re.compile(r"automation create --from-file \S*infra/prefect/automations\.yaml")
    assert [way.name for way in ways if not made.search(way.read_text())] == []
    on_kubernetes = (INFRA / "README.md").read_text().split("## Kubernetes\n")[1].split("\n## ")[0]
    assert made.search(on_kubernetes)


def test_containers_that_are_given_the_example_reach_its_server():
    """Its endpoint is on the loopback address, which is another one in a container of its own network."""
    assert "//127.0.0.1:" in example()["AWS_ENDPOINT_URL"]
    page = re.sub(r"\\\n *", "", (INFRA / "README.md").read_text())
    commands = re.findall(r"^docker run .*--env-file \.env .*", page, flags=re.MULTILINE)
    assert commands
    assert [command for command in commands if "--network host" not in command] == []


def test_page_names_what_was_not_run():
    """Every folder of deployment files has its row in the table of what was run and what was not."""
    table = (INFRA / "README.md").read_text().split("only read\n")[1]
    named = {*re.findall(r"[\w-]+\.(?:yaml|json)", table), "Dockerfile"}
    there = {file.name for file in files() if file.parent.name != "policies"} | {"Dockerfile"}
    assert there <= named
    assert "**not run**" in table
