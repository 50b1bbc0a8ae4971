"""On a Dask cluster of this machine: the same bytes as in threads."""

import distributed
import pytest

from flows.protect import protect
from infra.errors import ConfigurationError
from infra.orchestration import server_url
from schemas.runner import DaskRunner
from tests.cluster.jobs import dying, looking
from tests.tasks.rewrite.helpers import TWO_PHASE, config_of, shards_of, tar_source

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900), pytest.mark.usefixtures("prefect_server")]


def scheduler(**environment: str) -> distributed.LocalCluster:
    """A cluster that somebody has started: one worker that offers a megabyte of memory."""
    known = {"OMP_NUM_THREADS": "2", **environment}
    offered = {"n_workers": 1, "threads_per_worker": 1, "resources": {"memory": 1 << 20}}
    return distributed.LocalCluster(host="127.0.0.1", dashboard_address=None, memory_limit=0, env=known, **offered)


def test_protect_gives_the_bytes_of_threads(heard, tmp_path):
    source = tar_source(tmp_path / "in", shards=4)
    job = config_of(tmp_path, source, TWO_PHASE, runner=DaskRunner())
    assert protect(job).skipped_shards == 0
    assert heard.done["index"] == heard.done["rewrite"] == 4
    in_threads = config_of(tmp_path, source, TWO_PHASE, destination=str(tmp_path / "o"), workspace=str(tmp_path / "p"))
    protect(in_threads)
    assert shards_of(job.destination) == shards_of(in_threads.destination)


def test_a_task_whose_process_dies_is_done_again(tmp_path):
    assert dying(DaskRunner(), tmp_path, times=1) == [0, 1, 2, 3]
    assert len(list(tmp_path.glob("1-*"))) == 2


def test_a_cluster_that_somebody_has_started(heard):
    with scheduler(PREFECT_API_URL=server_url()) as cluster:
        found = looking(DaskRunner(address=cluster.scheduler_address, memory=1 << 20), 3, 2)
    assert [each["number"] for each in found] == [0, 1, 2]
    assert {each["threads"] for each in found} == {1}  # as many as a task asks for, whatever the worker started with
    assert heard.done == {"look": 3}


def test_workers_that_know_another_server_are_named():
    with (
        scheduler(PREFECT_API_URL="http://127.0.0.1:1/api") as cluster,
        pytest.raises(ConfigurationError, match=r"has PREFECT_API_URL http://127.0.0.1:1/api.*start each worker with"),
    ):
        looking(DaskRunner(address=cluster.scheduler_address), 1, 1)
