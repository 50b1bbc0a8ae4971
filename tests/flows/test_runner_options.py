"""`--runner` and what goes with it: what is refused before anything is started."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.cli import job
from tests.flows.cli_helpers import refuse

FAR = ("--runner", "ray", "--runner-address", "192.0.2.200:6379")


@pytest.fixture
def places(two_shards):
    return two_shards


@pytest.mark.parametrize(
    ("options", "needles"),
    [
        (("--runner", "slurm"), ("runner", "'threads', 'ray', 'dask'")),
        (("--task-gpus", 1), ("runner.threads.gpus", "not permitted")),
        (("--runner-address", "192.0.2.200:6379"), ("runner.threads.address", "not permitted")),
        (("--runner", "ray", "--runner-address", "auto", "--workers", 2), ("runner.ray.address", "given: 'auto'")),
        (("--runner", "dask", "--task-gpus", 1), ("hands out no GPUs", "use ray")),
        (("--runner", "ray", "--task-gpus", 1, "--device", "cpu"), ("device cpu uses none",)),
        (("--workers", 257), ("256 at most",)),
    ],
)
@pytest.mark.parametrize("command", ["protect", "plan"])
def test_a_runner_that_makes_no_sense_is_bad_usage(cli, places, command, options, needles):
    workers = () if "--workers" in options else ("--workers", 2)
    refuse(cli, places, 2, *needles, command=places.arguments(command, *workers, *options))


@pytest.mark.parametrize("word", ["protect", "protect-bucket"])
def test_how_many_shards_a_cluster_works_on_has_to_be_said(cli, places, word):
    command = places.arguments(word, *FAR)
    refuse(cli, places, 2, "cluster at 192.0.2.200:6379", "say with --workers", command=command)


@given(cores=st.integers(1, 256), asked=st.integers(1, 1024), kind=st.sampled_from(["ray", "dask"]))
def test_as_many_shards_are_worked_on_as_the_cores_bear(cores, asked, kind):
    fields = {"source": {"url": "digits"}, "destination": "out", "workspace": "private"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(job, "cores", lambda: cores)
        config = job.config_of({**fields, "runner": {"kind": kind, "cores": asked}})
        assert config.workers == 1 or config.workers * asked <= cores < (config.workers + 1) * asked
        assert job.config_of({**fields, "runner": {"kind": kind}}).workers == cores
        assert job.config_of(dict(fields)).workers == cores
        assert job.config_of({**fields, "runner": {"kind": kind, "cores": asked}, "workers": 7}).workers == 7


@pytest.mark.parametrize(
    ("options", "needles"),
    [
        (("--runner", "ray", "--task-cores", 1024), ("asks for 1024 cores, and this machine has", "--task-cores")),
        (("--runner", "dask", "--task-memory", 10**15), ("ask for 1e+06 GB", "--task-memory", "--workers")),
    ],
)
def test_a_cluster_of_this_machine_offers_no_more_than_it_has(cli, places, options, needles):
    refuse(cli, places, 2, *needles, command=places.arguments("protect", "--method", "random", *options))


def test_a_cluster_elsewhere_needs_a_server_that_it_reaches(cli, places):
    """The tests' server is on this machine; so would the one be that the run starts itself."""
    command = places.arguments("protect", "--method", "random", "--workers", 2, *FAR)
    refuse(cli, places, 2, "node 192.0.2.200 of the ray cluster", "PREFECT_API_URL", command=command)


def test_an_evaluation_takes_the_same_options(cli, places):
    command = ("evaluate", places.destination, "--clean", "digits", "--test", "digits")
    command += ("--workspace", places.workspace, "--task-cores", 2)
    refuse(cli, places, 2, "runner.threads.cores", command=command)
