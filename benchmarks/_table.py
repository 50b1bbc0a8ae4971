"""What is required, with what benchmarks/results holds of it: for a CPU, and for each GPU that was measured.

Every line tells the device and the day of the file it comes from. A run on a GPU writes files of its own and leaves
those of the CPU as they were.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks import _bench, _protection

# The result file that tells, and what it has to tell: the name of a check, and what is required of it.
CPU = {
    "engine-cpu": {
        "PGD step over textbook": ">= 2.3 x",
        "PGD step, share of the convolution limit": ">= 90 %",
        "training step over textbook": ">= 2 x",
    },
    "trainer": {
        "training with its test over textbook, resnet18": ">= 2 x",
        "training with its test over textbook, tiny": ">= 2 x",
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
    "memory": {
        "peak memory, class-wise, 2,000 to 50,000 pictures": "<= 10 %",
        "peak memory, two-phase, 2,000 to 50,000 pictures": "<= 10 %",
    },
}
# The same for each GPU: the result files are called after their benchmark and the GPU.
GPU = {
    "engine": {"PGD step, share of the matrix rate": ">= 40 %"},
    "trainer": {"paper's victim recipe, test every epoch": "<= 60 s"},
}
HEAD = ("what", "required", "measured", "verdict", "result", "device", "date")


def rows(file: str, wanted: dict[str, str], quick: bool) -> list[tuple[str, ...]]:
    """What one benchmark has to show: requirement, measured value, verdict, and where and when it comes from."""
    path = _folder(quick) / f"{file}.json"
    if not path.exists():
        there = (_bench.ROOT / "benchmarks" / f"{file.partition('-')[0]}.py").exists()
        state = "not run yet" if there else "no benchmark yet"
        return [(what, required, "", state, file, "", "") for what, required in wanted.items()]
    result = json.loads(path.read_text())
    told = {one["name"]: one for one in result["checks"]}
    device = result["figures"].get("device", "cpu")
    source = (file, result["machine"]["processor"] if device == "cpu" else device, result["date"][:10])
    found: list[tuple[str, ...]] = []
    for what, required in wanted.items():
        one = told.get(what)
        measured = f"{one['value']:.3g} {one['unit']}".rstrip() if one else ""
        found.append((what, required, measured, one["verdict"] if one else "not told", *source))
    return found


def protection_row() -> tuple[str, ...]:
    """What five passes a picture protect: measured by a study, not by a benchmark."""
    source = (_protection.STUDY, *_protection.source())
    check = _protection.check(_protection.pairs())
    if check is None:
        return (_protection.CHECK, f"<= {_protection.MOST_POINTS} points", "", "not run yet", *source)
    return (check.name, check.required, check.measured, check.verdict, *source)


def gpu_files(quick: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """Names of the results on GPUs, and what each has to tell."""
    for benchmark, wanted in GPU.items():
        names = sorted(file.stem for file in _folder(quick).glob(f"{benchmark}-*.json"))
        yield from ((name, wanted) for name in names if name != "engine-cpu")


def _folder(quick: bool) -> Path:
    return _bench.QUICK_RESULTS if quick else _bench.RESULTS


def main() -> None:
    quick = _bench.arguments(__doc__).quick
    on_cpu = [row for file, wanted in CPU.items() for row in rows(file, wanted, quick)]
    _bench.print_table("Required of a CPU", HEAD, [*on_cpu, protection_row()])
    on_gpus = [row for file, wanted in gpu_files(quick) for row in rows(file, wanted, quick)]
    if on_gpus:
        _bench.print_table("Required of a GPU", HEAD, on_gpus)


if __name__ == "__main__":
    main()
