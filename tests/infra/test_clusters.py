"""What clusters are told and asked before a task goes there."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra import clusters, storage_options
from infra.errors import ConfigurationError
from schemas.runner import DaskRunner, RayRunner

HERE = "http://127.0.0.1:4200/api"
FAR = "http://prefect.example:4200/api"
SECRETS = ("UNLEARNABLE_KEY", "AWS_SECRET_ACCESS_KEY", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "RAY_AUTH_TOKEN")


def test_workers_are_told_addresses_and_settings_and_no_secret(monkeypatch):
    for name in SECRETS:
        monkeypatch.setenv(name, f"the value of {name}")
    told = clusters.environment(RayRunner(cores=3), FAR)
    assert (told["PREFECT_API_URL"], told["OMP_NUM_THREADS"]) == (FAR, "3")
    assert told["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] == "false"
    assert (told["DO_NOT_TRACK"], told["RAY_USAGE_STATS_ENABLED"]) == (
        os.environ["DO_NOT_TRACK"],
        os.environ["RAY_USAGE_STATS_ENABLED"],
    )
    assert not set(SECRETS) & set(told)
    assert not [value for value in told.values() if value.startswith("the value of")]


def test_workers_are_told_where_the_storage_options_are(monkeypatch, tmp_path):
    """By a whole path: a worker starts in a folder of its own. It holds no secret, and without it nothing fails."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "storage.yaml").symlink_to(tmp_path / "data")  # as Kubernetes mounts it
    for stated, told in (("storage.yaml", str(tmp_path / "storage.yaml")), ("/etc/storage.yaml", "/etc/storage.yaml")):
        monkeypatch.setenv("UNLEARNABLE_STORAGE", stated)
        assert clusters.environment(RayRunner(), FAR)["UNLEARNABLE_STORAGE"] == told
    monkeypatch.setenv("UNLEARNABLE_STORAGE", "")
    assert "UNLEARNABLE_STORAGE" not in clusters.environment(RayRunner(), FAR)
    monkeypatch.delenv("UNLEARNABLE_STORAGE")
    assert "UNLEARNABLE_STORAGE" not in clusters.environment(RayRunner(), FAR)


@dataclass
class FakeClient:
    """What `greet` asks of a Dask client, of one worker with this environment."""

    variables: dict[str, str]
    fingerprint: str | None = None

    def scheduler_info(self, n_workers):
        del n_workers
        return {"workers": {"a": {"host": "127.0.0.1", "resources": {}}}}

    def run(self, function, *names):
        if function is storage_options.fingerprint:
            return {"a": self.fingerprint}
        assert function is os.getenv
        return {"a": self.variables.get(*names)}

    def register_plugin(self, plugin):
        del plugin


@pytest.mark.parametrize(
    ("here", "there", "mend"),
    [
        ("/etc/a.yaml", None, "has UNLEARNABLE_STORAGE not set, .*start each worker with UNLEARNABLE_STORAGE=/etc/a"),
        ("/etc/a.yaml", "/etc/b.yaml", "has UNLEARNABLE_STORAGE /etc/b.yaml, .*start each worker with"),
        (
            None,
            "/etc/b.yaml",
            "has UNLEARNABLE_STORAGE /etc/b.yaml, and the run has none; set UNLEARNABLE",
        ),
        ("/etc/a.yaml", "/etc/a.yaml", None),
        (None, "", None),
        ("", None, None),
    ],
)
def test_dask_workers_with_other_storage_options_are_named(here, there, mend, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.delenv("UNLEARNABLE_STORAGE", raising=False)
    if here is not None:
        monkeypatch.setenv("UNLEARNABLE_STORAGE", here)
    known = {"PREFECT_API_URL": FAR, **({} if there is None else {"UNLEARNABLE_STORAGE": there})}
    runner = DaskRunner(address="127.0.0.1:8786")
    if mend is None:
        assert clusters.greet(runner, FakeClient(known), FAR) is None
    else:
        with pytest.raises(ConfigurationError, match=mend):
            clusters.greet(runner, FakeClient(known), FAR)


def test_workers_with_another_file_of_storage_options_are_refused(monkeypatch, tmp_path):
    """It may say how objects are encrypted: a node that has an older one must not write with it."""
    pytest.importorskip("distributed")
    file = tmp_path / "storage.yaml"
    file.write_text("s3://bucket: {server_side_encryption: AES256}")
    monkeypatch.setenv("UNLEARNABLE_STORAGE", str(file))
    told = clusters.environment(RayRunner(), FAR)
    ours = {"PREFECT_API_URL": FAR, "UNLEARNABLE_STORAGE": str(file)}
    same = FakeClient(ours, told["UNLEARNABLE_STORAGE_SHA256"])
    runner = DaskRunner(address="127.0.0.1:8786")
    assert clusters.greet(runner, same, FAR) is None
    for other in (None, "0" * 64):
        with pytest.raises(ConfigurationError, match=rf"worker a has another {file} than the run, or can't read it"):
            clusters.greet(runner, FakeClient(ours, other), FAR)

    for name in ("UNLEARNABLE_STORAGE", "UNLEARNABLE_STORAGE_SHA256"):
        monkeypatch.setenv(name, told[name])
    assert storage_options.place_options("s3://bucket/a").server_side_encryption == "AES256"
    file.write_text("s3://bucket: {}  # an older one")
    with pytest.raises(ConfigurationError, match=r"storage\.yaml on .* is not what it is where the run was started"):
        storage_options.place_options("s3://bucket/a")


def test_a_task_that_asks_for_no_gpu_sees_none():
    assert clusters.environment(RayRunner(), FAR)["CUDA_VISIBLE_DEVICES"] == ""
    assert "CUDA_VISIBLE_DEVICES" not in clusters.environment(RayRunner(gpus=0.5), FAR)


@pytest.mark.parametrize("server", [HERE, "http://localhost:4200/api", "http://[::1]:4200/api"])
@pytest.mark.parametrize(
    "runner",
    [RayRunner(address="192.0.2.200:6379"), RayRunner(address="ray://192.0.2.200:10001")]
    + [DaskRunner(address=f"{scheme}192.0.2.200:8786") for scheme in ("", "tcp://", "tls://")],
)
def test_nodes_elsewhere_need_a_server_that_they_reach(runner, server):
    with pytest.raises(ConfigurationError, match=r"node 192\.0\.2\.200 .* can't reach the Prefect server at .*name it"):
        clusters.require_server(runner, server)
    clusters.require_server(runner, FAR)


@pytest.mark.parametrize("runner", [RayRunner(), RayRunner(address="127.0.0.1:6379"), DaskRunner()])
def test_nodes_of_this_machine_reach_a_server_on_it(runner):
    clusters.require_server(runner, HERE)


def test_a_password_in_the_servers_address_is_refused_and_not_repeated():
    with pytest.raises(ConfigurationError, match="holds a password") as caught:
        clusters.require_server(RayRunner(), "http://me:hunter2@prefect.example/api")
    assert "hunter2" not in str(caught.value)


def test_dask_is_asked_by_name_for_what_is_more_than_a_thread():
    assert clusters.dask_resources(DaskRunner()) == {}
    asked = DaskRunner(address="10.0.0.7:8786", cores=2, gpus=1, memory=1 << 20)
    assert clusters.dask_resources(asked) == {"CPU": 2, "GPU": 1, "memory": 1 << 20}


def test_dask_workers_of_the_page_offer_what_is_there_once():
    """Each of the processes that a command starts offers all that the command names."""
    page = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text()
    commands = re.findall(
        r'^(.*)dask_worker .*--nworkers (\d+) .*--resources "(.+)"', re.sub(r"\\\n *", "", page), re.M
    )
    assert len(commands) == 2
    for before, processes, offered in commands:
        resources = {name: float(count) for name, count in (each.split("=") for each in offered.split())}
        assert int(processes) * resources["memory"] <= 64e9
        assert ("CUDA_VISIBLE_DEVICES=0 " in before) == ("GPU" in resources)
        assert int(processes) * resources.get("GPU", 0) <= 1


NO_TOKEN = """
import socket
from infra import clusters, storage_options
from infra.errors import ConfigurationError
from schemas.runner import RayRunner

with socket.create_server(("127.0.0.1", 0)) as somebody:
    address = f"127.0.0.1:{somebody.getsockname()[1]}"
    try:
        with clusters.ray_cluster(RayRunner(address=address), 1, "http://127.0.0.1:4200/api"):
            pass
    except ConfigurationError as error:
        print(error)
"""


def test_a_cluster_whose_token_is_not_known_here_is_named(tmp_path):
    """In a process of its own: Ray looks once for how it has to show itself."""
    pytest.importorskip("ray")
    known = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    known |= {"RAY_AUTH_MODE": "token", "HOME": str(tmp_path)}
    command = [sys.executable, "-c", NO_TOKEN]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=known, capture_output=True, text=True, check=False
    )
    assert re.match(r"there is no ray cluster at 127\.0\.0\.1:\d+: ", done.stdout), done.stderr
    assert "RAY_AUTH_MODE and the token" in done.stdout


@pytest.mark.parametrize("extra", ["ray", "dask"])
def test_a_runner_that_is_not_installed_names_its_extra(extra, monkeypatch):
    monkeypatch.setitem(sys.modules, f"prefect_{extra}", None)
    opened = {
        "ray": lambda: clusters.ray_cluster(RayRunner(), 1, HERE),
        "dask": lambda: clusters.dask_cluster(DaskRunner(), 1, HERE),
    }[extra]
    with pytest.raises(ConfigurationError, match=rf"install unlearnable\[{extra}\]"), opened():
        pass
