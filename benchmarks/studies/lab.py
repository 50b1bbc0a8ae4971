"""What the studies share: real pictures, victims that are trained once and remembered, and two processes to do it.

Every number is the last epoch's accuracy on clean test pictures, in percent. A finished run is kept under
benchmarks/.cache by the content of its pictures, its recipe and its seed, so a study that was killed goes on.
One thread a process: a run's sums, and so its result, depend on the number of threads. Each row tells where and when
its victims were trained; a row that a later command did not make again keeps what it told.
"""

import functools
import hashlib
import itertools
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks._bench import machine
from schemas.base import digest
from schemas.dataset import SourceSpec
from schemas.recipe import TinyRecipe
from schemas.victims import TinyVictim, Victim
from tasks.evaluate import data as pictures
from tasks.evaluate import victim as victims
from tasks.nn import augment, train
from tasks.nn.batches import Resident
from tasks.nn.train import Training

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "benchmarks" / ".cache"
RESULTS = ROOT / "benchmarks" / "results"
DATA = Path(os.environ.get("UNLEARNABLE_DATA") or ROOT.parent / "shared" / "data")


# Part of the name under which a run is kept; raised when the same inputs would give another run.
VERSION = 1
# Fields that recipes got later, at the values that change nothing: runs from before are found under their names.
_LATER = {"family": "cifar10", "rotation": 0.0, "resized_crop": False, "jitter": [0.0, 0.0, 0.0, 0.0]}

# Eight epochs where the product's small victim takes twelve: two cores, and a hundred runs.
SMALL = TinyVictim(recipe=TinyRecipe(epochs=8))


@dataclass(frozen=True)
class Set:
    """Pictures uint8 [N, S, S, 3], classes int64 [N], sample names and class names."""

    images: Tensor
    labels: Tensor
    keys: tuple[str, ...]
    classes: tuple[str, ...]

    def digest(self) -> str:
        hasher = hashlib.sha256(self.images.contiguous().numpy().data.cast("B"))
        hasher.update(self.labels.numpy().tobytes())
        return hasher.hexdigest()

    def part(self, chosen: Tensor) -> "Set":
        keys = tuple(self.keys[i] for i in chosen.tolist())
        return Set(self.images[chosen], self.labels[chosen], keys, self.classes)


@functools.lru_cache(8)
def load(name: str, split: str, size: int, limit: int | None = None) -> Set:
    """A split of a dataset of the data folder, scaled to `size` pixels."""
    spec = SourceSpec(url=str(DATA / name), split=split, limit=limit)
    classes = tuple(json.loads((DATA / name / "classes.json").read_text()))
    found = pictures.load(spec, size, classes)
    return Set(found.images, found.labels, found.names, classes)


def accuracy(training: Set, test: Set, victim: Victim, seed: int) -> dict[str, Any]:
    """Train a victim, or find the run done: its accuracy, by class too, and what it took."""
    inputs = digest(VERSION, _told(victim), [training.digest(), test.digest(), seed, len(training.classes)])
    file = CACHE / "runs" / f"{inputs[:32]}.json"
    if file.exists():
        return {"made": {"date": _day(file.stat().st_mtime)}, **json.loads(file.read_text())}
    started = time.perf_counter()
    model = victims.build(victim, len(training.classes), training.images.shape[1], seed)
    batches = Resident(training.images, training.labels)
    *_, final = Training(model, batches, victim.recipe, augment.of(victim.recipe), seed).epochs()
    right = train.predict(model, test.images) == test.labels
    by_class = [round(100 * float(right[test.labels == k].float().mean()), 2) for k in range(len(test.classes))]
    run = {
        "seed": seed,
        "test_accuracy": round(100 * float(right.float().mean()), 2),
        "train_accuracy": round(final.train_accuracy, 2),
        "by_class": by_class,
        "seconds": round(time.perf_counter() - started, 1),
        "made": _here_and_now(),
    }
    write(file, run)
    return run


def _told(victim: Victim) -> dict[str, Any]:
    """What tells one victim from another, as it was always told."""
    told = victim.model_dump(mode="json")
    told["recipe"] = {name: one for name, one in told["recipe"].items() if name not in _LATER or one != _LATER[name]}
    return told


def _here_and_now() -> dict[str, str]:
    """UTC day, processor, and versions of what a result depends on."""
    versions = {name: metadata.version(name) for name in ("torch", "unlearnable")}
    return {
        "date": _day(time.time()),
        "processor": machine()["processor"],
        "python": platform.python_version(),
        **versions,
    }


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def write(file: Path, content: Any) -> None:
    """JSON, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(content, indent=1) + "\n")
    part.replace(file)


@dataclass(frozen=True)
class Made:
    """Training pictures of a cell, and what is to be known of how they were made."""

    training: Set
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """A line of a study: how its training pictures are made, whom it trains, and what it is tested on."""

    name: str
    make: Callable[[], Made]
    test: Callable[[], Set]
    victims: tuple[Victim, ...] = (SMALL,)
    seeds: tuple[int, ...] = (0, 1, 2)


def run(module: str, cells: Sequence[Cell], processes: int = 2) -> list[dict[str, Any]]:
    """Make and train every cell of the study in `module`, which offers them as `cells()`; prints lines as they come."""
    rows: dict[str, dict[str, Any]] = {}
    waiting = list(reversed(cells))
    with ProcessPoolExecutor(processes, initializer=_one_thread) as pool:
        making: dict[Future[Any], Cell] = {}
        training: dict[Future[Any], tuple[Cell, Victim]] = {}
        while waiting or making or training:
            while waiting and len(making) < processes:  # so that finished noise is trained on before more is made
                cell = waiting.pop()
                making[pool.submit(_make, module, cell.name)] = cell
            done, _ = wait([*making, *training], return_when=FIRST_COMPLETED)
            for future in done:
                if future in making:
                    cell = making.pop(future)
                    rows[cell.name] = {"notes": future.result(), "runs": []}
                    print(f"{cell.name}: made, {future.result()}", flush=True)
                    for victim, seed in itertools.product(cell.victims, cell.seeds):
                        training[pool.submit(_train, module, cell.name, victim, seed)] = (cell, victim)
                else:
                    cell, victim = training.pop(future)
                    rows[cell.name]["runs"].append({"victim": victim.name, **future.result()})
                    print(f"{cell.name}: {victim.name} {future.result()['test_accuracy']}", flush=True)
    return [_row(cell.name, **rows[cell.name]) for cell in cells]


def _row(name: str, notes: dict[str, Any], runs: list[dict[str, Any]]) -> dict[str, Any]:
    """A line of the results. `made`: where and when its runs were trained, oldest first, each told once.

    A run that was remembered from before this was noted tells its day alone.
    """
    made = {json.dumps(told, sort_keys=True): told for told in (run.pop("made") for run in runs)}
    return {"cell": name, "made": sorted(made.values(), key=lambda told: told["date"]), "notes": notes, "runs": runs}


def main(module: str, cells: Sequence[Cell]) -> None:
    """Run the cells that the command names, or all, and put their rows into benchmarks/results/NAME.json."""
    asked = sys.argv[1:]
    rows = run(module, [cell for cell in cells if not asked or cell.name in asked])
    file = RESULTS / f"{module.rpartition('.')[2]}.json"
    known = {row["cell"]: row for row in [*_before(file), *rows]}
    order = [known[cell.name] for cell in cells if cell.name in known]
    write(file, {"command": f"python -m {module}", "threads": 1, "rows": order})


def _before(file: Path) -> list[dict[str, Any]]:
    """The rows of an earlier command; those without a word of where they were made take their file's processor."""
    if not file.exists():
        return []
    content = json.loads(file.read_text())
    there = [{"processor": content["processor"]}] if "processor" in content else []
    return [{"cell": row["cell"], "made": there, **row} for row in content["rows"]]


def _one_thread() -> None:
    torch.set_num_threads(1)


def _make(module: str, name: str) -> dict[str, Any]:
    return _cell(module, name).make().notes


def _train(module: str, name: str, victim: Victim, seed: int) -> dict[str, Any]:
    cell = _cell(module, name)
    return accuracy(cell.make().training, cell.test(), victim, seed)


def _cell(module: str, name: str) -> Cell:
    return next(cell for cell in import_module(module).cells() if cell.name == name)


def mean_and_spread(values: Sequence[float]) -> str:
    """`mean ± standard deviation` of a few runs, in percent."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.2f} ± {spread:.2f}"
