"""What protecting many pictures takes, by a model whose terms are measured here in a few minutes.

    seconds = start + max(serial * shards, ((shard + task) * shards + picture * pictures + byte * bytes) / cores)

`shard`, `picture` and `byte` are seconds of one core for indexing and rewriting on local storage, fitted to shards of
several sizes; `task` is what a worker spends on the two tasks of a shard beside that work, and `serial` what the
process that runs the flow, or the Prefect server if that is more, spends on them; `start` is what two stages take until
their first task ends. The fit is left out: it sees a bounded sample. Nothing here runs on a GPU: what is told of one is
computed from ASSUMED and from nothing else.
"""

import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before Prefect is imported: its lines go to its server alone, as those of the command line do.
os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")

import numpy as np
import torch

from benchmarks import _bench, _pictures, _tasks
from infra.devices import precision
from infra.keyring import load_key
from infra.orchestration import start_server
from infra.storage import Folder, sha256
from schemas.dataset import SourceSpec
from schemas.noise import ErrorMinimizing
from schemas.protect import ProtectConfig
from schemas.runner import RayRunner, ThreadsRunner
from tasks.match.stage import match_classes
from tasks.noise.stage import fit_noise
from tasks.rewrite import shard as shards
from tasks.shard import index, source
from tasks.shard.stage import write_manifest
from tasks.shard.tar import build

# Pictures of the shards that are timed, by the side of the pictures; the network of two-phase noise takes longest.
SIZES = {32: (50, 200, 400), 224: (10, 40, 80)}
FEWER = {"two-phase": {32: (50, 150, 300), 224: (2, 4, 8)}}
# The shortest fit: what is timed is the making of noise with what was fitted.
SHORT = {"fit_samples": 20, "model_steps": 1, "min_rounds": 1, "max_rounds": 1, "steps": 1, "batch_size": 8}
FORMS = {"class-wise": "class-wise", "two-phase": "sample-wise"}
BLOBS = (1 << 20, 16 << 20, 64 << 20)
MANY = (10**6, 10**8, 10**10)
CORES = (2, 64, 1024, 16_384)
SHARD = {32: 10_000, 224: 1_000}
TASKS = 2  # a shard: index and rewrite
ASSUMED = {
    "gpu_bf16_flops": 990e12 * 0.4,  # of an H200 by its data sheet, and the share of it that is required of the engine
    "macs_at_32_px": 0.067e9,  # of the default source model, forward
    "passes": 5,
}
CPU = "cpu"


def line(counts: list[float], seconds: list[float]) -> tuple[float, float]:
    """Seconds of nothing and of each one, by least squares."""
    each, none = np.polyfit(counts, seconds, 1)
    return max(0.0, float(none)), float(each)


def best(work: Callable[[], object], repetitions: int) -> float:
    found: list[float] = []
    for _ in range(repetitions):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


def storage(place: Path, repetitions: int) -> dict[str, float]:
    """Seconds an object and a byte of writing, reading and hashing on local storage."""
    folder = Folder(str(place))

    def through(data: bytes) -> None:
        folder.write("blob", data)
        sha256(folder.read("blob"))

    counts = [float(size) for size in BLOBS]
    an_object, a_byte = line(counts, [best(lambda size=size: through(bytes(size)), repetitions) for size in BLOBS])
    return {"object": an_object, "byte": a_byte, "bytes_a_second": 1 / a_byte}


def written(place: Path, side: int, counts: tuple[int, ...]) -> SourceSpec:
    """WebDataset shards of these numbers of pictures."""
    place.mkdir(parents=True)
    pictures = _pictures.jpegs(max(counts), side)
    for number, count in enumerate(counts):
        samples = _pictures.samples(pictures, count, first=10_000 * number)
        (place / f"train-{number:06d}.tar").write_bytes(build((one.key, one.parts) for one in samples))
    return SourceSpec(url=str(place))


def shard_work(place: Path, form: str, side: int, counts: tuple[int, ...], repetitions: int) -> dict[str, Any]:
    """Seconds of one core to index and to rewrite shards of these numbers of pictures, and the line through them."""
    spec = written(place / "in", side, counts)
    config = ProtectConfig(
        source=spec,
        destination=str(place / "out"),
        workspace=str(place / "private"),
        method=ErrorMinimizing.model_validate({"form": FORMS[form], **SHORT}),
        device="cpu",
    )
    folder, plan = Folder(config.workspace).child("dataset"), source.plan(spec)
    indices = [index.make_index(spec, unit, folder, "") for unit in plan.units]
    private = write_manifest.fn(spec, plan, indices, folder.url)
    key = load_key(Folder(config.workspace), None)
    mapping = match_classes.fn(config, private, None)
    noise = fit_noise.fn(config, private, None)
    job = shards.Job(config, private.heading, mapping, noise, key)
    maker = shards.make_perturber(config, noise, key)

    def indexed(number: int) -> None:
        unit = plan.units[number]
        folder.save(f"index/{unit.name}.json", index.make_index(spec, unit, folder, ""))

    numbers, pictures = range(len(counts)), [float(count) for count in counts]
    index_seconds = [best(lambda n=n: indexed(n), repetitions) for n in numbers]
    rewrite_seconds = [best(lambda n=n: shards.rewrite(job, private.shards[n], maker), repetitions) for n in numbers]
    bytes_in = private.shards[-1].bytes / counts[-1]
    bytes_out = (Path(config.destination) / private.shards[-1].name).stat().st_size / counts[-1]
    return {
        "pictures": list(counts),
        "index_seconds": index_seconds,
        "rewrite_seconds": rewrite_seconds,
        "index": line(pictures, index_seconds),
        "rewrite": line(pictures, rewrite_seconds),
        "bytes_a_picture": {"in": bytes_in, "out": bytes_out},
    }


def terms(found: dict[str, Any], a_byte: float) -> dict[str, float]:
    """The model's terms of one kind of work: seconds a shard, a picture and a byte, and bytes a picture."""
    (index_shard, index_picture), (rewrite_shard, rewrite_picture) = found["index"], found["rewrite"]
    moved = 2 * found["bytes_a_picture"]["in"] + found["bytes_a_picture"]["out"]  # read twice, written once
    return {
        "shard": index_shard + rewrite_shard,
        "picture": max(0.0, index_picture + rewrite_picture - a_byte * moved),
        "byte": a_byte,
        "bytes_a_picture": moved,
        "index_pictures_a_second_a_core": 1 / index_picture,
        "rewrite_pictures_a_second_a_core": 1 / rewrite_picture,
    }


def hours(pictures: int, side: int, found: dict[str, float], overhead: dict[str, float], cores: int) -> float:
    """The model: hours of a whole job but its fit."""
    count = math.ceil(pictures / SHARD[side])
    work = (found["shard"] + TASKS * overhead["task"]) * count
    work += (found["picture"] + found["byte"] * found["bytes_a_picture"]) * pictures
    serial = TASKS * max(overhead["driver"], overhead["server"]) * count
    return (TASKS * overhead["start"] + max(serial, work / cores)) / 3600


def gpu(side: int) -> float:
    """Pictures a second that a GPU could make two-phase noise for, by ASSUMED; nothing of it was measured."""
    flops = 2 * 2 * ASSUMED["macs_at_32_px"] * (side / 32) ** 2 * ASSUMED["passes"]  # forward and input gradient
    return ASSUMED["gpu_bf16_flops"] / flops


def main() -> None:
    given = _bench.arguments(__doc__)
    repetitions, few, many = (1, 5, 20) if given.quick else (3, 20, 320)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        local = storage(place / "blobs", repetitions)
        work: dict[str, Any] = {}
        for form in FORMS:
            for side, counts in FEWER.get(form, SIZES).items():
                name = f"{form}, {side} px"
                found = shard_work(place / name.replace(", ", "-").replace(" ", ""), form, side, counts, repetitions)
                work[name] = {**found, "side": side, "terms": terms(found, local["byte"])}
    start_server()
    overheads = {
        "threads": _tasks.cost(ThreadsRunner(), few, many),
        "ray": _tasks.cost(RayRunner(), few, max(few + 1, many // 4)),
    }

    show(local, work, overheads)
    model = {
        f"{name}, {count:.0e} pictures, {cores} cores, {runner}": hours(
            count, one["side"], one["terms"], overheads[runner], cores
        )
        for name, one in work.items()
        for count in MANY
        for cores in CORES
        for runner in overheads
    }
    manifest = len(_tasks.records(1000).model_dump_json()) / 1000
    figures = {
        "storage": local,
        "work": work,
        "tasks": overheads,
        "manifest_bytes_a_shard": manifest,
        "hours": model,
        "assumed_of_a_gpu": ASSUMED,
        "computed_pictures_a_second_a_gpu": {f"{side} px": gpu(side) for side in SHARD},
    }
    used = precision(torch.device(CPU))
    _bench.report("scaling", "python -m benchmarks.scaling", given.quick, used, repetitions, figures, [])


def show(local: dict[str, float], work: dict[str, Any], overheads: dict[str, dict[str, float]]) -> None:
    """What was measured, and the hours that the model gives for Ray."""
    rate, each = local["bytes_a_second"] / 1e6, local["object"]
    print(f"Local storage, an object written, read and hashed: {rate:.0f} MB/s, and {each:.2g} s")
    head = ("work", "index, pictures/s a core", "rewrite, pictures/s a core", "s a shard", "bytes moved a picture")
    keys = ("index_pictures_a_second_a_core", "rewrite_pictures_a_second_a_core", "shard", "bytes_a_picture")
    _bench.print_table("One core", head, [(name, *(one["terms"][key] for key in keys)) for name, one in work.items()])
    head = ("runner", "start of a stage, s", "a worker's s", "driver's CPU s", "server's CPU s", "driver's bytes")
    keys = ("start", "task", "driver", "server", "bytes_a_task")
    rows = [(name, *(one[key] for key in keys)) for name, one in overheads.items()]
    _bench.print_table(f"A task that does nothing, {_tasks.WORKERS} workers", head, rows)
    for name, one in work.items():
        title = f"Hours, {name}, shards of {SHARD[one['side']]:,}, Ray"
        of_count = [
            (f"{count:,}", *(hours(count, one["side"], one["terms"], overheads["ray"], cores) for cores in CORES))
            for count in MANY
        ]
        _bench.print_table(title, ("pictures", *(f"{cores:,} cores" for cores in CORES)), of_count)


if __name__ == "__main__":
    main()
