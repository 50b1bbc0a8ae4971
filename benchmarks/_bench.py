"""What the benchmarks share: sides timed in turn, requirements and verdicts, the machine, tables and JSON.

A figure counts as a ratio only: both sides measured in one run, in turn, so that whatever else the machine does
hits them alike. Imports nothing heavy: a child process's peak memory counts what its parent held when it was made.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from infra.machine import cores

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
QUICK_RESULTS = ROOT / "benchmarks" / ".cache" / "quick"  # never committed: a quick run shows that it runs, no more
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile")
_LOAD_BEFORE = os.getloadavg()  # as this module is imported, so before anything is timed


def arguments(about: str | None, **more: dict[str, Any]) -> argparse.Namespace:
    """`--quick`, and whatever else is given as name -> options of argparse."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions on less data; the figures mean nothing")
    for name, options in more.items():
        parser.add_argument(f"--{name}", **options)
    return parser.parse_args()


@dataclass(frozen=True)
class Times:
    """Seconds of one side over the repetitions."""

    all: tuple[float, ...]

    @property
    def best(self) -> float:
        return min(self.all)

    @property
    def median(self) -> float:
        return statistics.median(self.all)

    def over(self, count: int) -> "Times":
        """Of one of the `count` equal things that were timed together."""
        return Times(tuple(seconds / count for seconds in self.all))


def interleaved(
    sides: Mapping[str, Callable[[], object]], repetitions: int, wait: Callable[[], object] = lambda: None
) -> dict[str, Times]:
    """Time every side `repetitions` times, in turn and each time from another one on, after one run untimed.

    `wait` is called at the end of every timing: it waits for the device.
    """
    found: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for name in names:
        sides[name]()
    wait()
    for turn in range(repetitions):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            started = time.perf_counter()
            sides[name]()
            wait()
            found[name].append(time.perf_counter() - started)
    return {name: Times(tuple(seconds)) for name, seconds in found.items()}


def ratio(slow: Times, fast: Times) -> dict[str, float]:
    """How many times faster the second side is: by best times, which counts, and by median times."""
    return {"best": slow.best / fast.best, "median": slow.median / fast.median}


def scaled(ratios: dict[str, float], factor: float) -> dict[str, float]:
    """A ratio of times as a ratio of rates, when one side does `factor` times the other's work."""
    return {name: value * factor for name, value in ratios.items()}


@dataclass(frozen=True)
class Check:
    """A measured value beside what is required of it; `unit` is x, % or empty."""

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""

    @property
    def required(self) -> str:
        sign, bound = (">=", self.at_least) if self.at_least is not None else ("<=", self.at_most)
        return f"{sign} {_with_unit(bound or 0, self.unit)}"

    @property
    def short_of(self) -> float:
        """By how much the requirement is missed, in its unit; 0 or less: it is met."""
        return self.at_least - self.value if self.at_least is not None else self.value - (self.at_most or 0)

    @property
    def verdict(self) -> str:
        return (
            "met"
            if self.short_of <= 0
            else f"missed by {_with_unit(self.short_of, 'points' if self.unit == '%' else self.unit)}"
        )

    @property
    def measured(self) -> str:
        return _with_unit(self.value, self.unit)


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.3g}{' ' if unit else ''}{unit}"


def suffix(kind: str) -> str:
    """A kind of device (infra.devices.device_kind) as part of a file name."""
    return kind.lower().replace(" ", "-")


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; numbers to three digits."""
    text = [[_cell(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in text) for i in range(len(head))]
    print(f"\n{title}")
    for number, row in enumerate(text):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def print_checks(checks: Sequence[Check]) -> None:
    """A verdict a line; nothing without checks."""
    if checks:
        rows = [(check.name, check.required, check.measured, check.verdict) for check in checks]
        print_table("Required", ("what", "required", "measured", "verdict"), rows)


def report(
    name: str, command: str, quick: bool, precision: str, repetitions: int, figures: dict[str, Any], checks: list[Check]
) -> None:
    """Print the load and the verdicts, and write what was measured to benchmarks/results/NAME.json."""
    used = machine()
    print(f"\nLoad on {used['cores']} cores: {_busy(used['load_before'])} before, {_busy(used['load_after'])} after")
    print_checks(checks)
    content = {
        "benchmark": name,
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": used,
        "versions": versions(),
        "precision": precision,
        "repetitions": repetitions,
        "figures": _rounded(figures),
        "checks": [_told(check) for check in checks],
    }
    file = (QUICK_RESULTS if quick else RESULTS) / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    part.replace(file)
    print(f"\n{file.relative_to(ROOT)}")


def _told(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "value": _rounded(check.value),
        "unit": check.unit,
        "required": check.required,
        "met": check.short_of <= 0,
        "verdict": check.verdict,
    }


def _rounded(value: Any) -> Any:
    """Floats to four digits, wherever they are."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


def machine() -> dict[str, Any]:
    """The processor, the cores that may be used, the flags that decide about speed, memory, and how busy it was.

    `load_before` tells what else was running, `load_after` has the benchmark itself in it.
    """
    described = _described_processor()
    flags = set(described.get("flags", "").split())
    return {
        "processor": described.get("model name", platform.processor() or platform.machine()),
        "family_model": "/".join(described.get(key, "?") for key in ("cpu family", "model")),
        "cores": cores(),
        "flags": [flag for flag in _FLAGS if flag in flags],
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": _load(_LOAD_BEFORE),
        "load_after": _load(os.getloadavg()),
    }


def _load(averages: tuple[float, float, float]) -> dict[str, float]:
    return {"1_minute": round(averages[0], 2), "5_minutes": round(averages[1], 2)}


def _busy(load: dict[str, float]) -> str:
    return f"{load['1_minute']:.2f} ({load['5_minutes']:.2f} over 5 minutes)"


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    packages = ("torch", "numpy", "opencv-python-headless", "pillow", "prefect")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}


def _described_processor() -> dict[str, str]:
    """The first processor's entry in /proc/cpuinfo; {} where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}
