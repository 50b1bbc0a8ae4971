"""On a Ray cluster of two nodes: the same bytes as in threads, whatever dies there."""

import contextlib
import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from flows.evaluate import evaluate
from flows.protect import protect
from infra.errors import ConfigurationError, DataError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig
from schemas.recipe import TinyRecipe
from schemas.runner import RayRunner
from schemas.victims import TinyVictim
from tasks.rewrite.audit import audit
from tests.cluster.conftest import free_port
from tests.cluster.jobs import dying, looking, sharing
from tests.faults import tally
from tests.tasks.rewrite.helpers import TWO_PHASE, config_of, shards_of, tar_source

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
SECRETS = ("UNLEARNABLE_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PREFECT_API_KEY")


def job_of(place, source, runner, **changes):
    return config_of(place, source, TWO_PHASE, workers=2, runner=runner, **changes)


def times(folder: Path) -> dict[str, tuple[int, int]]:
    return {p.name: (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.glob("*") if p.is_file()}


def test_tasks_run_on_both_nodes_and_are_handed_no_secret(nodes, heard, monkeypatch):
    for name in SECRETS:
        monkeypatch.setenv(name, "a secret of the driver's")
    found = looking(nodes.runner, 6, 2)
    assert [each["number"] for each in found] == list(range(6))
    assert len({each["parent"] for each in found}) == 2
    assert os.getpid() not in {each["process"] for each in found}
    assert {each["threads"] for each in found} == {1}
    assert [name for name in SECRETS if name in found[0]["environment"]] == []
    assert heard.done == {"look": 6}


@pytest.mark.parametrize(
    ("asked", "share", "seen"),
    [
        ({"gpus": 0.5, "memory": 1 << 30}, {"CPU": 1, "GPU": 0.5, "memory": 1 << 30}, "0"),
        ({"memory": 1 << 30}, {"CPU": 1, "memory": 1 << 30}, ""),
    ],
)
def test_what_a_task_asks_for_reaches_ray(nodes, asked, share, seen):
    """A task that asks for no GPU sees none, on the node that has one too."""
    runner = nodes.runner.model_copy(update=asked)
    assert sharing(runner, 2) == [{**share, "seen": seen}] * 2


def test_protect_gives_the_bytes_and_the_markers_of_threads(nodes, heard, tmp_path):
    source = tar_source(tmp_path / "in", shards=4)
    in_threads = config_of(tmp_path / "threads", source, TWO_PHASE)
    protect(in_threads)
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "key.txt").write_bytes((tmp_path / "threads" / "key.txt").read_bytes())
    job = job_of(tmp_path / "ray", source, nodes.runner)
    heard.done.clear()
    summary = protect(job)
    assert (summary.shards, summary.skipped_shards, summary.protected) == (4, 0, 16)
    assert shards_of(job.destination) == shards_of(in_threads.destination)
    assert audit(Folder(job.destination), job.source).problems == []
    assert heard.done["index"] == heard.done["rewrite"] == 4
    # The runner is in no digest: threads find all of it done.
    assert protect(job.model_copy(update={"runner": in_threads.runner})).skipped_shards == 4


class Killer(threading.Thread):
    """Kills a worker process that is at a shard, once the first of them is done."""

    def __init__(self, nodes, config):
        super().__init__(daemon=True)
        self._nodes, self._config, self.over = nodes, config, threading.Event()
        self.killed, self.before = 0, {}

    def run(self):
        markers = Path(self._config.workspace) / "rewrite"
        while not self.killed and not self.over.is_set():
            done = [path.stem for path in markers.glob("*.json")] if markers.exists() else []
            for process in self._nodes.running("rewrite shard") if done else []:
                with contextlib.suppress(psutil.Error):
                    process.suspend()  # what it is at can't change between a look and the kill
                    if "rewrite shard" in " ".join(process.cmdline()):
                        out = times(Path(self._config.destination))
                        self.before = {name: out[name] for name in done}
                        process.kill()
                        self.killed = process.pid
                        break
                    process.resume()
            time.sleep(0.01)


def test_a_worker_that_is_killed_costs_its_shard_alone(nodes, tmp_path):
    source = tar_source(tmp_path / "in", shards=24)
    job = job_of(tmp_path / "job", source, nodes.runner)
    killer = Killer(nodes, job)
    killer.start()
    try:
        summary = protect(job)
    finally:
        killer.over.set()
        killer.join()
    assert killer.killed
    assert not psutil.pid_exists(killer.killed)
    assert summary.shards == 24
    after = times(Path(job.destination))
    assert {name: after[name] for name in killer.before} == killer.before
    whole = config_of(
        tmp_path / "job", source, TWO_PHASE, destination=str(tmp_path / "w"), workspace=str(tmp_path / "v")
    )
    protect(whole)
    assert shards_of(job.destination) == shards_of(whole.destination)
    assert audit(Folder(job.destination), job.source).problems == []
    tally.record("kill -9 of a worker of a Ray cluster", 1, "its shard alone is done again; same bytes")


def test_a_task_whose_process_dies_is_done_again_and_the_others_are_not(nodes, tmp_path):
    assert dying(nodes.runner, tmp_path, times=1) == [0, 1, 2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0-0", "1-0", "1-1", "2-0", "3-0"]


def test_a_task_that_kills_every_process_fails_the_run_and_the_others_finish(nodes, heard, tmp_path):
    with pytest.raises(DataError, match=r"1/4 numbers failed: .*died unexpectedly"):
        dying(nodes.runner, tmp_path, times=99)
    tries = sorted(path.name for path in tmp_path.iterdir())
    assert tries == ["0-0", "1-0", "1-1", "1-2", "1-3", "2-0", "3-0"]
    assert heard.done == {"die": 4}


def test_victims_are_those_of_threads(nodes, heard, tmp_path):
    spec = SourceSpec(url="digits", limit=60, shard_size=20)
    copy = config_of(tmp_path / "copy", spec)
    protect(copy)
    config = EvaluateConfig(
        protected=(copy.destination,),
        clean=spec,
        test=SourceSpec(url="digits", split="test", limit=30),
        workspace=str(tmp_path / "evaluation"),
        victims=(TinyVictim(widths=(4, 8, 8, 8), recipe=TinyRecipe(epochs=2, batch_size=32, size=16)),),
        seeds=1,
        device="cpu",
        runner=nodes.runner,
    )
    heard.done.clear()
    found = evaluate(config).runs
    assert heard.done == {"evaluate": 4}
    here = config.model_copy(update={"runner": copy.runner, "workspace": str(tmp_path / "here")})
    in_threads = evaluate(here).runs
    seen = [(run.method, run.test_accuracy, run.curve, run.inputs) for run in found]
    assert seen == [(run.method, run.test_accuracy, run.curve, run.inputs) for run in in_threads]


def test_a_driver_elsewhere_goes_through_rays_client(nodes, heard, monkeypatch):
    """And asks again where the head's server for it did not start."""
    from ray.util.client import worker

    refused, connected = [], worker.Worker._server_init

    def once_refused(client, *args):
        if not refused:
            refused.append(client)
            raise ConnectionAbortedError("Initialization failure from server: Starting Ray client server failed.")
        connected(client, *args)

    monkeypatch.setattr(worker.Worker, "_server_init", once_refused)
    found = looking(RayRunner(address=nodes.client_address), 3, 2)
    assert [each["number"] for each in found] == [0, 1, 2]
    assert heard.done == {"look": 3}
    assert refused


def test_an_address_without_a_cluster_is_named():
    port = free_port()
    with pytest.raises(ConfigurationError, match=rf"no ray cluster at 127\.0\.0\.1:{port}: .*; see that it is up"):
        looking(RayRunner(address=f"127.0.0.1:{port}"), 1, 1)
