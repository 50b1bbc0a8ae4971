"""Protected copies made by the command itself, for what a study wants to see end to end.

One thread for a fit and one for a shard, as everything else in a study: sums depend on the number of threads.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.studies.lab import CACHE, DATA, Made, Set, write
from infra.machine import cores
from schemas.dataset import SourceSpec
from tasks.evaluate import data as pictures

THREADS = 1


def protected(name: str, source: str, size: int, *options: str) -> Made:
    """`unlearnable protect SOURCE ... OPTIONS`, run once; the copy's pictures at `size` pixels, and what it printed."""
    place = CACHE / "product" / name
    dest, told = place / "protected", place / "summary.json"
    if not told.exists():
        command = [Path(sys.executable).parent / "unlearnable", "protect", str(DATA / source), str(dest)]
        # Workers share the cores: with as many of them, each shard has one thread.
        command += ["--workspace", str(place / "private"), "--workers", str(cores()), "--json", *options]
        environment = {**os.environ, "UNLEARNABLE_KEY": "the key of the studies", "OMP_NUM_THREADS": str(THREADS)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr}")
        write(told, {**json.loads(done.stdout), "threads": THREADS})
    classes = tuple(json.loads((DATA / source / "classes.json").read_text()))
    found = pictures.load(SourceSpec(url=str(dest)), size, classes)
    return Made(Set(found.images, found.labels, found.names, classes), _notes(place, json.loads(told.read_text())))


def _notes(place: Path, summary: dict[str, Any]) -> dict[str, Any]:
    mapping = json.loads((place / "private" / "match" / "mapping.json").read_text())
    kept = ("samples", "protected", "max_abs_change", "noise_error", "converged", "seconds")
    # None: a copy from before this was told, made with as many threads as there were cores.
    threads = {"threads": summary.get("threads")}
    return {name: summary[name] for name in kept} | threads | {"how": mapping["how"], "matches": mapping["matches"]}
