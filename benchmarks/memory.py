"""Peak memory of `protect` at 2,000 and at 50,000 pictures, shards of 1,000: it must not grow with the dataset.

Each job runs in a process of its own (_job.py), which tells its peak resident set once all is imported and in the end.
What is required is told of the whole peak; since most of it are the libraries, the growth of what the job itself adds
to them stands beside it. Of the repetitions the lowest counts: what a job needs, without what an unlucky meeting of two
shards adds; all of them are in the JSON. Nothing heavy may be imported here before the last job is through: a process's
peak starts at what its parent held.
"""

import json
import tempfile
from typing import Any

from benchmarks import _bench, _job
from benchmarks._apart import apart
from benchmarks._bench import Check

FORMS = {"class-wise": "class-wise", "sample-wise": "two-phase"}


def measure(counts: tuple[int, int], repetitions: int) -> list[dict[str, Any]]:
    """Every form at every count, in turn, after one untold job a form, which finds every cache cold."""
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            apart("_job", "shards", f"{folder}/{count}", str(count))
        for form in FORMS:
            apart("_job", "protect", form, f"{folder}/{counts[0]}", f"{folder}/{form}-first")
        for turn in range(repetitions):
            for form in FORMS:
                for count in counts:
                    told = apart("_job", "protect", form, f"{folder}/{count}", f"{folder}/{form}-{count}-{turn}")
                    runs.append({"form": form, **json.loads(told.splitlines()[-1])})
    return runs


def growth(runs: list[dict[str, Any]], form: str, counts: tuple[int, int]) -> dict[str, float]:
    """The lowest peaks of a form at both counts in MB, whole and above what was imported, and their growth."""
    both = [[run for run in runs if run["form"] == form and run["pictures"] == count] for count in counts]
    whole = [min(run["peak"] for run in jobs) for jobs in both]
    added = [min(run["peak"] - run["imported"] for run in jobs) for jobs in both]
    return {
        **{f"peak_mb_{count}": peak for count, peak in zip(counts, whole, strict=True)},
        "growth_percent": 100 * (whole[1] / whole[0] - 1),
        **{f"added_mb_{count}": peak for count, peak in zip(counts, added, strict=True)},
        "growth_of_added_percent": 100 * (added[1] / added[0] - 1),
    }


def main() -> None:
    given = _bench.arguments(__doc__, repetitions={"type": int, "help": "runs of each job; 3, or 1 with --quick"})
    quick, repetitions = given.quick, given.repetitions or (1 if given.quick else 3)
    few, many = counts = (2000, 4000) if quick else (2000, 50_000)
    runs = measure(counts, repetitions)
    rows = [[run[key] for key in ("form", "pictures", "imported", "peak", "seconds")] for run in runs]
    _bench.print_table("Peak resident set", ("form", "pictures", "imported, MB", "peak, MB", "seconds"), rows)

    checks: list[Check] = []
    figures: dict[str, Any] = {"shard_size": _job.SHARD, "workers": 2, "launcher_peak_mb": _job.peak(), "runs": runs}
    for form, name in FORMS.items():
        figures[name] = found = growth(runs, form, counts)
        what = f"peak memory, {name}, {few:,} to {many:,} pictures"
        checks.append(Check(what, found["growth_percent"], at_most=10, unit="%"))
    both = [(name, *(figures[name][f"growth{of}_percent"] for of in ("", "_of_added"))) for name in FORMS.values()]
    _bench.print_table("Growth, %", ("form", "of the whole peak", "of what the job adds"), both)

    from infra.devices import pick_device, precision  # heavy, and all jobs are through

    used = precision(pick_device("cpu"))
    _bench.report(
        "memory", f"python -m benchmarks.memory --repetitions {repetitions}", quick, used, repetitions, figures, checks
    )


if __name__ == "__main__":
    main()
