"""What running tasks costs by itself, by tasks that do nothing: in a module of its own, which workers import."""

import time

import infra.prefect_settings  # noqa: F401 - before Prefect

import psutil
from prefect import flow, task

from infra.runners import map_tasks
from schemas.dataset import DatasetManifest, ShardRecord, SourceSpec
from schemas.protect import ProtectedShard
from schemas.runner import Runner

WORKERS = 2
SETTLING = 3.0  # seconds


@task
def mark(shard: ShardRecord, dataset: DatasetManifest) -> ProtectedShard:
    """The record of a shard, without any work on it; its `seconds` are the clock's, to tell when it was made."""
    del dataset
    return ProtectedShard(
        inputs=shard.sha256,
        source=shard.name,
        name=shard.name,
        samples=shard.samples,
        protected=shard.samples,
        max_abs_change=8,
        squared_change=1,
        values=1,
        class_counts=shard.class_counts,
        bytes=shard.bytes,
        sha256=shard.sha256,
        seconds=time.time(),
    )


@flow
def marked(dataset: DatasetManifest, runner: Runner, workers: int) -> list[ProtectedShard]:
    """The records of all shards, by a task each."""
    return map_tasks(mark, dataset.shards, workers, "shards", runner, dataset=dataset.heading).results


def records(count: int) -> DatasetManifest:
    """A manifest of shards as large as a real one's."""
    one = ShardRecord(
        name="train-000000.tar",
        url="s3://pictures/train/train-000000.tar",
        samples=1000,
        bytes=10**8,
        sha256="0" * 64,
        class_counts={str(label): 100 for label in range(10)},
        sizes=None,
    )
    named = tuple(one.model_copy(update={"name": f"train-{number:06d}.tar"}) for number in range(count))
    labels = tuple(str(label) for label in range(10))
    source_spec = SourceSpec(url="s3://pictures/train")
    return DatasetManifest(
        source=source_spec, format="webdataset", class_names=labels, labels=labels, shards=named, quarantined=0
    )


def busy(runner: Runner, count: int) -> tuple[list[float], float, float, float]:
    """Tasks that do nothing: when each ended, counted from the call; and CPU seconds of driver and server, and bytes.

    What Ray's own processes spend is the workers' machines', not the driver's.
    """
    process, dataset = psutil.Process(), records(count)
    (server,) = [child for child in process.children() if "prefect.server.api.server:create_app" in child.cmdline()]

    def spent(of: psutil.Process) -> float:
        return of.cpu_times().user + of.cpu_times().system

    before, started = (spent(process), spent(server), process.memory_info().rss), time.time()
    kept = marked(dataset, runner, WORKERS)
    held = process.memory_info().rss
    time.sleep(SETTLING)  # the server goes on with what it was told
    ended = sorted(one.seconds - started for one in kept)
    return ended, spent(process) - before[0], spent(server) - before[1], held - before[2]


def cost(runner: Runner, few: int, many: int) -> dict[str, float]:
    """What a task costs beside its work: seconds of a worker, of the driver and of the server, and bytes of memory."""
    marked(records(2), runner, WORKERS)  # what is imported and made once
    _, driver_few, server_few, _ = busy(runner, few)
    ended, driver, server, held = busy(runner, many)
    warm = many // 4
    each = (ended[-1] - ended[warm]) / (many - 1 - warm)
    return {
        "start": ended[0],
        "task": each * WORKERS,
        "tasks_a_second": 1 / each,
        "driver": (driver - driver_few) / (many - few),
        "server": (server - server_few) / (many - few),
        "bytes_a_task": held / many,
    }
