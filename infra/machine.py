"""What this machine has, without asking torch, which is slow to import."""

import os
from pathlib import Path

_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int | None:
    """Bytes that this process may still take: what the machine has free, or its control group if that is less.

    None where neither says so (off Linux).
    """
    known = [found for found in (_told("MemAvailable"), *(_cgroup(*files) for files in _CGROUPS)) if found is not None]
    return min(known, default=None)


def total_memory() -> int | None:
    """Bytes of memory that the machine has, or its control group allows if that is less; None where neither says so."""
    groups = (_text(limit).strip() for limit, _, _ in _CGROUPS)
    known = [_told("MemTotal"), *(int(most) for most in groups if most.isdecimal())]
    return min((found for found in known if found is not None), default=None)


def _told(name: str) -> int | None:
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def _cgroup(limit: str, usage: str, stat: str) -> int | None:
    """What a control group still allows; the file cache that it holds can be given back, so it counts as free."""
    most, used = _text(limit).strip(), _text(usage).strip()
    if not most.isdecimal() or not used.isdecimal():
        return None  # no such group, or no limit ("max")
    cached = sum(int(line.split()[1]) for line in _text(stat).splitlines() if line.startswith("inactive_file "))
    return max(0, int(most) - int(used) + cached)


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def identity() -> str | None:
    """The machine since it booted, and the part of it whose process numbers we see; None off Linux."""
    boot = _text("/proc/sys/kernel/random/boot_id").strip()
    try:
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}" if boot else None
    except OSError:
        return None


def began(process: int) -> str | None:
    """When a process of this machine began, in the kernel's count; None when there is none by that number.

    A number is given out again some day; together with the beginning it names one process.
    """
    fields = _text(f"/proc/{process}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else None
