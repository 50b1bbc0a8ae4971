"""The table of what is required on a CPU, with what benchmarks/results holds of it."""

import json

from benchmarks import _bench

# The result file that tells, and what it has to tell: the name of a check, and what is required of it.
REQUIRED = {
    "engine-cpu": {
        "PGD step over textbook": ">= 2.3 x",
        "PGD step, share of the convolution limit": ">= 90 %",
        "training step over textbook": ">= 2 x",
    },
    "rewriting": {
        "rewriting at 32 px, share of the codec's rate": ">= 80 %",
        "rewriting at 32 px, two workers over one": ">= 1.8 x",
        "rewriting at 224 px, share of the codec's rate": ">= 80 %",
        "rewriting at 224 px, two workers over one": ">= 1.8 x",
    },
    "orchestration": {
        "orchestrated protect over the same calls without it": "<= 10 %",
        "rerun with everything done, of the first run": "<= 5 %",
    },
    "cost": {"gradient passes over a picture to protect it": "<= 5"},
    "memory": {
        "peak memory, class-wise, 2,000 to 50,000 pictures": "<= 10 %",
        "peak memory, two-phase, 2,000 to 50,000 pictures": "<= 10 %",
    },
}


def rows(file: str, quick: bool) -> list[tuple[str, ...]]:
    """What one benchmark has to show: requirement, measured value, verdict, and where and when it comes from."""
    path = (_bench.QUICK_RESULTS if quick else _bench.RESULTS) / f"{file}.json"
    if not path.exists():
        there = (_bench.ROOT / "benchmarks" / f"{file.partition('-')[0]}.py").exists()
        state = "not run yet" if there else "no benchmark yet"
        return [(what, required, "", state, file, "") for what, required in REQUIRED[file].items()]
    result = json.loads(path.read_text())
    told = {one["name"]: one for one in result["checks"]}
    found: list[tuple[str, ...]] = []
    for what, required in REQUIRED[file].items():
        one = told.get(what)
        measured = f"{one['value']:.3g} {one['unit']}".rstrip() if one else ""
        found.append((what, required, measured, one["verdict"] if one else "not told", file, result["date"][:10]))
    return found


def main() -> None:
    quick = _bench.arguments(__doc__).quick
    head = ("what", "required", "measured", "verdict", "result", "date")
    _bench.print_table("Required, CPU", head, [row for file in REQUIRED for row in rows(file, quick)])


if __name__ == "__main__":
    main()
