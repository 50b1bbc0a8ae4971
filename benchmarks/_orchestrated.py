"""What the orchestration benchmark runs in processes of their own.

`shards FOLDER SHARDS PICTURES`, or one of `flow` and `plain` with SOURCE PLACE: a job that protects, timed.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SIZE, WORKERS = 32, 2
# The default of `protect`, but for a fit as short as it can be: it is no shard's work, and would only hide what is
# measured. (Its error is not looked at: nothing is protected here.)
METHOD = {
    "kind": "error-minimizing",
    "fit_samples": 100,
    "model_steps": 1,
    "steps": 1,
    "min_rounds": 1,
    "max_rounds": 1,
}


def shards(folder: Path, count: int, pictures: int) -> None:
    """Write `count` WebDataset shards of photo-like JPEG pictures, `pictures` each."""
    from benchmarks import _pictures
    from tasks.shard.tar import build

    folder.mkdir()
    encoded = _pictures.jpegs(pictures, SIZE)
    for number in range(count):
        samples = _pictures.samples(encoded, pictures, pictures * number)
        (folder / f"train-{number:06d}.tar").write_bytes(build((one.key, one.parts) for one in samples))


def config_of(source: Path, place: Path) -> Any:
    """The job: local places, two workers. Its key is a file, so that both sides make the same bytes."""
    from schemas.protect import ProtectConfig

    key = source.parent / "key.txt"
    key.write_text("a benchmark protects nothing\n")
    places = {"destination": str(place / "out"), "workspace": str(place / "private"), "key_file": str(key)}
    return ProtectConfig.model_validate(
        {"source": {"url": str(source)}, "method": METHOD, "device": "cpu", "workers": WORKERS, **places}
    )


def flow() -> Callable[[Any], Any]:
    """The flow, once there is a server."""
    from infra.orchestration import start_server

    start_server()
    from flows.protect import protect

    return protect


def plain() -> Callable[[Any], Any]:
    """The functions that the flow's tasks wrap, called in the same order, by as many threads, without Prefect."""
    from infra.devices import cores_shared_by
    from infra.storage import Folder
    from tasks.match.stage import match_classes
    from tasks.noise.stage import fit_noise
    from tasks.rewrite.stage import check_coverage, claim, publish_dataset, rewrite_shard
    from tasks.shard.stage import index_shard, plan_source, write_manifest

    def protect(config: Any) -> None:
        job, place = claim.fn(config), Folder(config.workspace).child("dataset").url
        plan = plan_source.fn(config.source)
        with ThreadPoolExecutor(config.workers) as pool:
            indices = pool.map(lambda unit: found(index_shard.fn(unit, spec=config.source, place=place)), plan.units)
            private = write_manifest.fn(config.source, plan, list(indices), place)
        check_coverage.fn(config, private)
        mapping = found(match_classes.fn(config, private, None))
        noise = found(fit_noise.fn(config, private, None))
        same = {"config": config, "dataset": private, "mapping": mapping, "noise": noise}
        with cores_shared_by(config.workers), ThreadPoolExecutor(config.workers) as pool:
            done = list(pool.map(lambda shard: found(rewrite_shard.fn(shard, **same)), private.shards))
        publish_dataset.fn(config, job, private, noise, done)

    return protect


def found(record: Any) -> Any:
    """What a task's function gives, be it new or, in a state, found done."""
    from prefect.client.schemas.objects import State

    return record.result() if isinstance(record, State) else record


def timed(side: Callable[[], Callable[[Any], Any]], source: Path, place: Path) -> dict[str, float]:
    """Seconds to get ready and seconds of the job; this process's own share of the cores in the latter."""
    began = time.perf_counter()
    import torch  # noqa: F401 - what both sides import in any case

    config = config_of(source, place)
    protect = side()
    started, busy = time.perf_counter(), _busy()
    protect(config)
    return {"ready": started - began, "seconds": time.perf_counter() - started, "cpu_seconds": _busy() - busy}


def _busy() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "shards":
        shards(Path(words[0]), int(words[1]), int(words[2]))
    else:
        print(json.dumps(timed({"flow": flow, "plain": plain}[verb], Path(words[0]), Path(words[1]))))
