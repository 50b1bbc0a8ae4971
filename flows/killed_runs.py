"""Say of each run that ended with its worker that it did: nobody else would, and it would hold up its deployment.

`make up` runs this before it starts a worker. A run that was under way is Crashed, so that the automation schedules it
again; one that was to be cancelled is Cancelled.
"""

import contextlib
import re
from datetime import UTC, datetime
from pathlib import Path

import infra.prefect_settings  # noqa: F401 - before Prefect

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Crashed

UNDER_WAY = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
_RUN = re.compile(rb"PREFECT__FLOW_RUN_ID=([0-9a-f-]+)")


def alive() -> set[str]:
    """Ids of the runs whose processes have outlived their worker: such a run speaks for itself."""
    found: set[str] = set()
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # ended meanwhile, or somebody else's
            found.update(each.decode() for each in _RUN.findall(file.read_bytes()))
    return found


def end(client: SyncPrefectClient, run: FlowRun) -> str:
    """Put a run into the state in which its worker would have left it; what was done, in a sentence."""
    if run.state_type == StateType.CANCELLING:
        client.set_flow_run_state(run.id, Cancelled(message="ended with its worker"), force=True)
        return f"run {run.name} was being cancelled when its worker ended: it is cancelled"
    # A server that was started anew holds back, for a quarter of an hour, what follows an event that it has not seen,
    # and the automation with it. The event of a state has its id.
    of_run = {"prefect.resource.id": f"prefect.flow-run.{run.id}"}
    now = datetime.now(UTC).isoformat()
    seen = {"id": str(run.state_id), "event": "unlearnable.up", "resource": of_run, "occurred": now}
    client.request("POST", "/events", json=[seen])
    client.set_flow_run_state(run.id, Crashed(message="ended with its worker"), force=True)
    return f"run {run.name} ended with its worker; it is scheduled again in half a minute"


def main() -> None:
    """End all runs of this project's deployments that are under way by the server's word and have no process."""
    states = {"type": {"any_": [str(each.value) for each in UNDER_WAY]}}
    ours = {"state": states, "tags": {"all_": ["unlearnable"]}, "deployment_id": {"is_null_": False}}
    living = alive()
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(ours)):
            if str(run.id) not in living:
                print(end(client, run))


if __name__ == "__main__":
    main()
