"""Protected copies made by the command itself, for what a study wants to see end to end."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.studies.lab import CACHE, DATA, Made, Set
from schemas.dataset import SourceSpec
from tasks.evaluate import data as pictures


def protected(name: str, source: str, size: int, *options: str) -> Made:
    """`unlearnable protect SOURCE ... OPTIONS`, run once; the copy's pictures at `size` pixels, and what it printed."""
    place = CACHE / "product" / name
    dest, told = place / "protected", place / "summary.json"
    if not told.exists():
        command = [Path(sys.executable).parent / "unlearnable", "protect", str(DATA / source), str(dest)]
        command += ["--workspace", str(place / "private"), "--workers", "1", "--json", *options]
        environment = {**os.environ, "UNLEARNABLE_KEY": "the key of the studies"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr}")
        told.write_text(done.stdout)
    classes = tuple(json.loads((DATA / source / "classes.json").read_text()))
    found = pictures.load(SourceSpec(url=str(dest)), size, classes)
    return Made(Set(found.images, found.labels, found.names, classes), _notes(place, json.loads(told.read_text())))


def _notes(place: Path, summary: dict[str, Any]) -> dict[str, Any]:
    mapping = json.loads((place / "private" / "match" / "mapping.json").read_text())
    kept = ("samples", "protected", "max_abs_change", "noise_error", "converged", "seconds")
    return {name: summary[name] for name in kept} | {"how": mapping["how"], "matches": mapping["matches"]}
