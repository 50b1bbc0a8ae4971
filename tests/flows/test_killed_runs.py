"""What `make up` says of runs whose worker ended: each into the state that lets its deployment go on."""

import os
import subprocess
import sys
from pathlib import Path

import infra.prefect_settings  # noqa: F401 - before Prefect

import pytest
from prefect import flow, get_client
from prefect.states import Cancelling, Completed, Pending, Running, Scheduled

from flows import killed_runs


@flow
def nothing() -> None:
    """A flow of which runs are made, and never run."""


@pytest.fixture
def runs(prefect_server):
    """Makes a deployed run in a state, and gives its id."""
    with get_client(sync_client=True) as client:
        made = []

        def make(state, tags=("unlearnable",), deployed=True):
            if deployed:
                identity = client.create_deployment(client.create_flow(nothing), name=f"d{len(made)}")
                run = client.create_flow_run_from_deployment(identity, tags=list(tags), state=Scheduled())
            else:
                run = client.create_flow_run(nothing, tags=list(tags), state=Scheduled())
            # Without a process the server takes a run that is to be cancelled for cancelled at once.
            client.update_flow_run(flow_run_id=run.id, infrastructure_pid="elsewhere:1")
            client.set_flow_run_state(run.id, state, force=True)
            assert client.read_flow_run(run.id).state.name == state.name
            made.append(run.id)
            return run.id

        make.state = lambda run: client.read_flow_run(run).state
        yield make
        for run in made:
            client.delete_flow_run(run)


def test_runs_under_way_crash_and_runs_being_cancelled_are_cancelled(runs, capsys):
    ended = {runs(Running()): "Crashed", runs(Pending()): "Crashed", runs(Cancelling()): "Cancelled"}
    spared = {
        runs(Completed()): "Completed",
        runs(Scheduled()): "Scheduled",
        runs(Running(), tags=()): "Running",
        runs(Running(), deployed=False): "Running",
    }
    killed_runs.main()
    said = capsys.readouterr().out
    assert {run: runs.state(run).name for run in (*ended, *spared)} == {**ended, **spared}
    assert {runs.state(run).message for run in ended} == {"ended with its worker"}
    assert (said.count("it is scheduled again"), said.count("it is cancelled")) == (2, 1)
    killed_runs.main()
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_a_run_that_has_outlived_its_worker_is_left_alone(runs):
    run = runs(Running())
    held = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env={**os.environ, "PREFECT__FLOW_RUN_ID": str(run)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        held.stdout.readline()
        killed_runs.main()
        assert runs.state(run).name == "Running"
    finally:
        held.communicate(b"\n", timeout=60)
    killed_runs.main()
    assert runs.state(run).name == "Crashed"
