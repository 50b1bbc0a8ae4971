import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import devices, machine

MEMINFO = "MemTotal:       16000000 kB\nMemFree:          200000 kB\nMemAvailable:    8000000 kB\nBuffers: 1 kB\n"
V2 = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat")
V1 = tuple(f"/sys/fs/cgroup/memory/memory.{name}" for name in ("limit_in_bytes", "usage_in_bytes", "stat"))


@pytest.fixture
def files(monkeypatch):
    """The only files there are, by path."""
    there = {}
    monkeypatch.setattr(machine, "_text", lambda path: there.get(path, ""))
    return there


def test_what_the_machine_has_to_give_is_free(files):
    files["/proc/meminfo"] = MEMINFO
    assert machine.free_memory() == 8_000_000 * 1024


def test_nothing_is_told_where_no_file_tells_it(files):
    assert machine.free_memory() is None
    files["/proc/meminfo"] = "MemTotal: 16000000 kB\n"
    assert machine.free_memory() is None


@pytest.mark.parametrize("group", [V2, V1], ids=["v2", "v1"])
def test_a_control_group_that_allows_less_goes_first(files, group):
    limit, usage, stat = group
    files.update({"/proc/meminfo": MEMINFO, limit: "3000000\n", usage: "1000000\n"})
    assert machine.free_memory() == 2_000_000
    files[stat] = "anon 5\ninactive_file 400000\nactive_file 70000\ntotal_inactive_file 9\n"
    assert machine.free_memory() == 2_400_000


@pytest.mark.parametrize("limit", ["max\n", "", "a lot\n"])
def test_a_control_group_without_a_limit_says_nothing(files, limit):
    files.update({"/proc/meminfo": MEMINFO, V2[0]: limit, V2[1]: "1000000\n"})
    assert machine.free_memory() == 8_000_000 * 1024
    files["/proc/meminfo"] = ""
    assert machine.free_memory() is None


def test_a_control_group_that_allows_more_than_there_is_changes_nothing(files):
    files.update({"/proc/meminfo": MEMINFO, V1[0]: "9223372036854771712\n", V1[1]: "1000000\n"})
    assert machine.free_memory() == 8_000_000 * 1024


def test_a_control_group_over_its_limit_has_nothing_free(files):
    files.update({V2[0]: "1000\n", V2[1]: "1500\n"})
    assert machine.free_memory() == 0


@given(st.integers(0, 2**40), st.integers(0, 2**50), st.integers(0, 2**50), st.integers(0, 2**40))
def test_it_is_never_more_than_any_of_them_allows(available, limit, usage, cache):
    there = {
        "/proc/meminfo": f"MemAvailable: {available} kB\n",
        V2[0]: str(limit),
        V2[1]: str(usage),
        V2[2]: f"inactive_file {cache}\n",
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(machine, "_text", lambda path: there.get(path, ""))
        found = machine.free_memory()
    assert found == min(available * 1024, max(0, limit - usage + cache))


@given(st.none() | st.integers(1, 2**40), *(st.none() | st.integers(1, 2**50) for _ in "12"))
def test_all_memory_is_the_machines_or_what_a_control_group_allows(total, first, second):
    """Whatever of it is in use."""
    there = {"/proc/meminfo": "" if total is None else f"MemTotal: {total} kB\nMemAvailable: 1 kB\n"}
    there |= {V2[0]: "max" if first is None else f"{first}\n", V1[0]: "" if second is None else f"{second}\n"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(machine, "_text", lambda path: there.get(path, ""))
        found = machine.total_memory()
    assert found == min((n for n in (total and total * 1024, first, second) if n is not None), default=None)


def test_a_file_that_cannot_be_read_is_as_one_that_is_not_there(tmp_path):
    assert machine._text(str(tmp_path / "none")) == ""
    assert machine._text(str(tmp_path)) == ""
    (tmp_path / "some").write_text("max\n")
    assert machine._text(str(tmp_path / "some")) == "max\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_real_linux_machine_tells():
    assert machine.total_memory() >= machine.free_memory() > 0
    assert machine.free_memory() == pytest.approx(devices.free_memory(devices.pick_device("cpu")), rel=0.5)


def test_there_is_a_core():
    assert machine.cores() >= 1


def test_torch_is_not_needed_to_ask():
    code = "import sys, infra.machine; infra.machine.free_memory(); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
