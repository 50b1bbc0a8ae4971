"""`make up`: deployments that a worker runs, a crashed run that is scheduled again, and the retry of a failed one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from infra.storage import Folder
from schemas.dataset import SourceSpec
from tasks.rewrite.audit import audit
from tests.faults import tally
from tests.tasks.rewrite.helpers import TWO_PHASE, folder_source, tar_source

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
KEY = "a key for the tests only"


class Deployed:
    """The server that `infra/prefect/local.sh up` has started, and its worker."""

    def __init__(self, home):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        own = {"UNLEARNABLE_PORT": port, "PREFECT_HOME": str(home), "UNLEARNABLE_KEY": KEY, "OMP_NUM_THREADS": "1"}
        self.environment = {**plain, **own, "UNLEARNABLE_BIN": str(Path(sys.executable).parent)}
        self.api = f"http://127.0.0.1:{port}/api"

    def local(self, word):
        script = ROOT / "infra" / "prefect" / "local.sh"
        return subprocess.run([script, word], env=self.environment, capture_output=True, text=True, check=False)

    def ask(self, method, path, **content):
        for _ in range(20):  # a server with SQLite answers 503 while its database is busy
            answer = httpx.request(method, f"{self.api}/{path}", json=content or None, timeout=60)
            if answer.status_code != 503:
                break
            time.sleep(0.5)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def start(self, name, config):
        """A run of a deployment, asked for by the API; its id."""
        deployment = self.ask("GET", f"deployments/name/{name}")
        made = self.ask("POST", f"deployments/{deployment['id']}/create_flow_run", parameters={"config": config})
        return made["id"]

    def run(self, run):
        return self.ask("GET", f"flow_runs/{run}")

    def wait(self, run, *states, count=1):
        """The run once it is in one of `states`, in its `count`-th go."""
        end = time.monotonic() + 300
        found = self.run(run)
        while time.monotonic() < end and not (found["state"]["name"] in states and found["run_count"] >= count):
            time.sleep(0.5)
            found = self.run(run)
        assert found["state"]["name"] in states, found["state"]
        return found

    def automations(self):
        """Ids by name: one that is made anew has another."""
        return {each["name"]: each["id"] for each in self.ask("POST", "automations/filter", limit=100)}

    def artifacts(self, key):
        found = self.ask("POST", "artifacts/filter", artifacts={"key": {"any_": [key]}}, limit=100)
        return [each["data"] for each in found]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    found = Deployed(tmp_path_factory.mktemp("prefect"))
    try:
        said = found.local("up")
        assert said.returncode == 0, said.stdout + said.stderr
        assert "UI: http://127.0.0.1:" in said.stdout
        yield found
    finally:
        said = found.local("down")
        assert said.returncode == 0, said.stderr
        assert found.local("status").stdout == "server: down\nworker: down\n"


def job(place, source, method):
    return {
        "source": {"url": str(source), "shard_size": 5},
        "destination": str(place / "out"),
        "workspace": str(place / "private"),
        "method": method,
        "device": "cpu",
    }


def some_shards(markers):
    """How many shards are done once there are two."""
    end = time.monotonic() + 300
    while time.monotonic() < end and len(list(markers.glob("*.json"))) < 2:
        time.sleep(0.05)
    return len(list(markers.glob("*.json")))


def holder(workspace):
    """Number of the process that works in a workspace."""
    (running,) = (workspace / "running").iterdir()
    return json.loads(running.read_text())["process"]


def test_the_nightly_bucket_is_run_by_the_worker_and_leaves_its_artifacts(deployed, tmp_path):
    folder_source(tmp_path / "in" / "pets")
    tar_source(tmp_path / "in" / "signs", shards=2)
    places = {"bucket": str(tmp_path / "in"), "destination": str(tmp_path / "out"), "workspace": str(tmp_path / "w")}
    config = {**places, "source": {"shard_size": 5}, "job": {"method": {"kind": "random"}}}
    run = deployed.start("protect-bucket/protect-bucket-nightly", config)
    found = deployed.wait(run, "Completed", "Failed")
    assert found["state"]["name"] == "Completed", found["state"]["message"]
    for name in ("pets", "signs"):
        assert audit(Folder(str(tmp_path / "out" / name)), SourceSpec(url=str(tmp_path / "in" / name))).problems == []
    (bucket,) = deployed.artifacts("protected-bucket")
    assert "| pets | 12 | 12 | 3 |" in bucket
    protection = "".join(sorted(deployed.artifacts("protection")))
    assert [f"| pictures protected | {count} of {count} |" in protection for count in (8, 12)] == [True, True]


def test_a_run_that_is_killed_is_scheduled_again_and_completes_under_its_own_id(deployed, tmp_path):
    # Shards of some seconds: a burst of writes at the moment of the crash may cost a server with SQLite its event.
    source = tar_source(tmp_path / "in", shards=8, per_shard=2000)
    config = job(tmp_path, source, TWO_PHASE.model_dump(mode="json"))
    run = deployed.start("protect/protect-dataset", config)
    done = some_shards(tmp_path / "private" / "rewrite")
    process = holder(tmp_path / "private")
    time.sleep(0.3)
    assert done < 8, "the run was over before it could be killed"
    os.kill(process, signal.SIGKILL)
    found = deployed.wait(run, "Completed", "Failed", count=2)
    assert (found["state"]["name"], found["run_count"]) == ("Completed", 2), found["state"]
    assert audit(Folder(config["destination"]), SourceSpec(url=str(source))).problems == []
    of_run = {"flow_runs": {"id": {"any_": [run]}}, "limit": 200}
    tasks = deployed.ask("POST", "task_runs/filter", **of_run)
    cached = [one for one in tasks if one["name"].startswith("rewrite ") and one["state"]["name"] == "Cached"]
    assert len(cached) >= 2
    tally.record("kill -9 of a deployed run", 1, "scheduled again by itself, finished shards cached, completed")


def test_a_run_that_ends_with_the_worker_goes_on_after_the_next_up(deployed, tmp_path):
    source = tar_source(tmp_path / "in", shards=8, per_shard=2000)
    config = job(tmp_path, source, TWO_PHASE.model_dump(mode="json"))
    run = deployed.start("protect/protect-dataset", config)
    done = some_shards(tmp_path / "private" / "rewrite")
    before = deployed.automations()
    said = deployed.local("down")
    assert said.returncode == 0, said.stderr
    assert done < 8, "the run was over before the worker ended"
    said = deployed.local("up")
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"run {deployed.run(run)['name']} ended with its worker" in said.stdout
    assert deployed.automations() == before
    found = deployed.wait(run, "Completed", "Failed", count=2)
    assert (found["state"]["name"], found["run_count"]) == ("Completed", 2), found["state"]
    assert audit(Folder(config["destination"]), SourceSpec(url=str(source))).problems == []
    tally.record("make down during a deployed run", 1, "scheduled again by the next make up, completed")


def test_a_run_in_which_a_shard_failed_is_retried_and_does_that_shard_alone(deployed, tmp_path):
    source = tar_source(tmp_path / "in", shards=3)
    config = job(tmp_path, source, {"kind": "random"})
    shard = source / "train-000001.tar"
    whole = shard.read_bytes()
    blocker = tmp_path / "out" / "train-000001.tar"
    blocker.mkdir(parents=True)  # a folder stands where the shard should go
    (blocker / "x").mkdir()
    run = deployed.start("protect/protect-dataset", config)
    found = deployed.wait(run, "Completed", "Failed")
    assert found["state"]["name"] == "Failed"
    assert "train-000001.tar" in found["state"]["message"]
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.tar") if path.is_file()}
    assert sorted(times) == ["train-000000.tar", "train-000002.tar"]

    (blocker / "x").rmdir()
    blocker.rmdir()
    environment = {**deployed.environment, "PREFECT_API_URL": deployed.api}
    retry = [str(Path(sys.executable).parent / "prefect"), "flow-run", "retry", run]
    said = subprocess.run(retry, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    found = deployed.wait(run, "Completed", count=2)
    assert audit(Folder(config["destination"]), SourceSpec(url=str(source))).problems == []
    after = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in times}
    assert (after, shard.read_bytes()) == (times, whole)
    tally.record(
        "a shard of a deployed run that can't be written", 1, "Failed, named; retried under its id: that shard alone"
    )


def test_what_no_run_could_do_is_refused_before_there_is_a_run(deployed, tmp_path):
    config = {**job(tmp_path, tmp_path, {"kind": "random"}), "budget": {"epsilon": 0}}
    deployment = deployed.ask("GET", "deployments/name/protect/protect-dataset")
    answer = httpx.post(
        f"{deployed.api}/deployments/{deployment['id']}/create_flow_run", json={"parameters": {"config": config}}
    )
    assert answer.status_code in (409, 422)
    assert "epsilon" in json.dumps(answer.json())
