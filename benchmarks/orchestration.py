"""The `protect` flow against the same calls without Prefect: 100 shards in local places, and then all of it again.

In: everything from the call of the flow to its end, with its tasks' states, logs and results, and Prefect's own first
steps in a fresh process. Out, told beside it: imports and the start of the temporary server. Each job runs in a process
of its own with an empty Prefect database (_orchestrated.py): in turn the flow, the plain calls, and both once more on
what they have just made. Noise is two-phase, as `protect` makes it by default, after a fit of one step.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import _bench, _orchestrated
from benchmarks._apart import apart
from benchmarks._bench import Check, Times

SHARDS, PICTURES, LEAST_SECONDS = 100, 200, 60
SIDES = ("flow", "plain")


def measure(shards: int, pictures: int, repetitions: int) -> dict[str, list[dict[str, float]]]:
    """What each job told, by its name: `flow`, `plain`, and the two with ` again`."""
    runs: dict[str, list[dict[str, float]]] = {f"{side}{again}": [] for again in ("", " again") for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        source = f"{folder}/source"
        apart("_orchestrated", "shards", source, str(shards), str(pictures))
        for turn in range(repetitions):
            for side in SIDES[:: 1 if turn % 2 == 0 else -1]:
                for again in ("", " again"):
                    told = apart("_orchestrated", side, source, f"{folder}/{side}")
                    runs[f"{side}{again}"].append(json.loads(told.splitlines()[-1]))
            _require_same(*(Path(folder, side) for side in SIDES))
    return runs


def _require_same(*places: Path) -> None:
    """Both sides have made the same shards, byte for byte; then they are put away. Raises RuntimeError."""
    made = [{file.name: file.read_bytes() for file in place.glob("out/*.tar")} for place in places]
    if not made[0] or made[0] != made[1]:
        raise RuntimeError("the flow and the plain calls did not make the same shards")
    for place in places:
        shutil.rmtree(place)


def main() -> None:
    given = _bench.arguments(__doc__, repetitions={"type": int, "help": "runs of each job; 3, or 1 with --quick"})
    quick, repetitions = given.quick, given.repetitions or (1 if given.quick else 3)
    shards, pictures = (6, 20) if quick else (SHARDS, PICTURES)
    runs = measure(shards, pictures, repetitions)
    times = {name: Times(tuple(run["seconds"] for run in told)) for name, told in runs.items()}
    over = {of: 100 * (getattr(times["flow"], of) / getattr(times["plain"], of) - 1) for of in ("best", "median")}
    again = {of: 100 * getattr(times["flow again"], of) / getattr(times["flow"], of) for of in ("best", "median")}
    head = ("job", "seconds, best", "median", "its process's own CPU seconds", "ready in, seconds")
    rows = [(name, times[name].best, times[name].median, *_lowest(told)) for name, told in runs.items()]
    _bench.print_table(f"{shards} shards of {pictures} pictures of {_orchestrated.SIZE} px", head, rows)
    if not quick and times["plain"].best < LEAST_SECONDS:
        raise SystemExit(f"the plain calls took {times['plain'].best:.0f} s, and a minute is asked for: raise PICTURES")
    checks = [
        Check("orchestrated protect over the same calls without it", over["best"], at_most=10, unit="%"),
        Check("rerun with everything done, of the first run", again["best"], at_most=5, unit="%"),
    ]
    figures: dict[str, Any] = {
        **{"shards": shards, "pictures_a_shard": pictures, "workers": _orchestrated.WORKERS},
        **{"overhead_percent": over, "rerun_percent": again, "runs": runs},
    }

    from infra.devices import pick_device, precision  # heavy, and all jobs are through

    command = f"python -m benchmarks.orchestration --repetitions {repetitions}"
    _bench.report("orchestration", command, quick, precision(pick_device("cpu")), repetitions, figures, checks)


def _lowest(told: list[dict[str, float]]) -> tuple[float, float]:
    return min(run["cpu_seconds"] for run in told), min(run["ready"] for run in told)


if __name__ == "__main__":
    main()
