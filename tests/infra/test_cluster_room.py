"""Room for tasks: what a cluster elsewhere lacks is told, and one of this machine offers no more than there is."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import clusters, machine
from infra.cluster_room import require_room, shortage
from infra.errors import ConfigurationError
from schemas.runner import DaskRunner, RayRunner

HERE = "http://127.0.0.1:4200/api"
GIGABYTE = 10**9


def test_a_cluster_that_can_not_do_a_task_is_told_of():
    runner = RayRunner(address="10.0.0.7:6379", cores=4, gpus=1, memory=1 << 30)
    small, large = {"CPU": 8.0, "memory": 2.0**31}, {"CPU": 8.0, "memory": 2.0**31, "GPU": 2.0}
    assert shortage(runner, [small, large]) is None
    assert "has what a task asks for (CPU 4, GPU 1, memory 1.07374e+09)" in (shortage(runner, [small]) or "")
    assert shortage(runner, []) is not None


def test_a_cluster_of_this_machine_that_can_not_do_a_task_is_refused():
    with pytest.raises(ConfigurationError, match=r"no node of the ray cluster .*GPU 1.*; ask for less"):
        shortage(RayRunner(gpus=1), [{"CPU": 2.0}])


@pytest.fixture
def small(monkeypatch):
    """A machine of two cores and eight gigabytes."""
    monkeypatch.setattr(machine, "cores", lambda: 2)
    monkeypatch.setattr(machine, "total_memory", lambda: 8 * GIGABYTE)


def opened(runner, workers):
    """A cluster, as a run opens it."""
    return (clusters.ray_cluster if isinstance(runner, RayRunner) else clusters.dask_cluster)(runner, workers, HERE)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("schema", [RayRunner, DaskRunner])
def test_a_task_that_asks_for_more_cores_than_there_are_is_refused(schema):
    match = "a task asks for 64 cores, and this machine has 2; ask for fewer with --task-cores"
    with pytest.raises(ConfigurationError, match=match), opened(schema(cores=64), 1):
        pass


@pytest.mark.usefixtures("small")
def test_dask_workers_that_ask_for_more_memory_than_there_is_are_refused():
    match = r"3 tasks at a time ask for 3 GB .*has 8 GB; ask for less with --task-memory, .*--workers"
    with pytest.raises(ConfigurationError, match=match), opened(DaskRunner(memory=3 * GIGABYTE), 3):
        pass


@given(
    schema=st.sampled_from([RayRunner, DaskRunner]),
    cores=st.integers(1, 1024),
    memory=st.none() | st.integers(1 << 20, 1 << 50),
    workers=st.integers(1, 10_000),
    here=st.integers(1, 1024),
    total=st.none() | st.integers(1 << 20, 1 << 50),
)
def test_what_is_offered_is_there(schema, cores, memory, workers, here, total):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(machine, "cores", lambda: here)
        patched.setattr(machine, "total_memory", lambda: total)
        require_room(schema(address="10.0.0.7:6379", cores=cores, memory=memory), workers)  # no matter of this machine
        short = schema is DaskRunner and memory is not None and total is not None and workers * memory > total
        with pytest.raises(ConfigurationError) if cores > here or short else contextlib.nullcontext():
            require_room(schema(cores=cores, memory=memory), workers)
