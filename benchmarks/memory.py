"""Peak memory of `protect` at 2,000 and at 50,000 pictures, shards of 1,000: it must not grow with the dataset.

Each job runs in a process of its own (_job.py), which tells its peak resident set at the end. Nothing heavy may be
imported here before the last of them is through: a process's peak starts at what its parent held.
"""

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks import _bench, _job
from benchmarks._bench import ROOT, Check

FORMS = {"class-wise": "class-wise", "sample-wise": "two-phase"}


def apart(*command: str) -> str:
    """Run _job.py with a Prefect of its own; what it prints."""
    with tempfile.TemporaryDirectory() as home:
        environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
        environment |= {"PREFECT_HOME": home, "PREFECT_LOGGING_LEVEL": "ERROR"}
        whole = [sys.executable, "-m", "benchmarks._job", *command]
        done = subprocess.run(whole, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def measure(counts: tuple[int, int], repetitions: int) -> list[dict[str, Any]]:
    """Every form at every count, in turn."""
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            apart("shards", f"{folder}/{count}", str(count))
        for turn in range(repetitions):
            for form in FORMS:
                for count in counts:
                    told = apart("protect", form, f"{folder}/{count}", f"{folder}/{form}-{count}-{turn}")
                    runs.append({"form": form, **json.loads(told.splitlines()[-1])})
    return runs


def main() -> None:
    given = _bench.arguments(__doc__, repetitions={"type": int, "default": 1, "help": "runs of each job"})
    quick, repetitions = given.quick, given.repetitions
    few, many = counts = (2000, 4000) if quick else (2000, 50_000)
    runs = measure(counts, repetitions)
    rows = [[run[key] for key in ("form", "pictures", "imported", "peak", "seconds")] for run in runs]
    _bench.print_table("Peak resident set", ("form", "pictures", "imported, MB", "peak, MB", "seconds"), rows)

    checks: list[Check] = []
    figures: dict[str, Any] = {"shard_size": _job.SHARD, "workers": 2, "launcher_peak_mb": _job.peak(), "runs": runs}
    for form, name in FORMS.items():
        # The lower of the repetitions: what a job needs, without what an unlucky meeting of two shards adds.
        low, high = (min(r["peak"] for r in runs if r["form"] == form and r["pictures"] == n) for n in (few, many))
        growth = 100 * (high / low - 1)
        figures[name] = {f"peak_mb_{few}": low, f"peak_mb_{many}": high, "growth_percent": growth}
        checks.append(Check(f"peak memory, {name}, {few:,} to {many:,} pictures", growth, at_most=10, unit="%"))

    from infra.devices import pick_device, precision  # heavy, and all jobs are through

    used = precision(pick_device("cpu"))
    _bench.report(
        "memory", f"python -m benchmarks.memory --repetitions {repetitions}", quick, used, repetitions, figures, checks
    )


if __name__ == "__main__":
    main()
