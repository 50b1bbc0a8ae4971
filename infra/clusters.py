"""Ray and Dask clusters: opened for a stage, told where the Prefect server is, asked whether they can do the work.

Nothing secret is handed to them: Ray shows its runtime environment on its dashboard and in its logs. The bucket's key
and credentials come from each node's own environment.
"""

import contextlib
import importlib
import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra import prefect_settings, ray_join, storage_options
from infra.cluster_room import require_room, shortage
from infra.errors import ConfigurationError
from schemas.runner import ClusterRunner, DaskRunner, RayRunner

# Only small records pass through Ray's object store; pictures go to storage.
_OBJECT_STORE = 128 << 20
_SERVER = "PREFECT_API_URL"
_ANSWER = 10.0  # seconds


def environment(runner: ClusterRunner, server: str) -> dict[str, str]:
    """What a worker process finds in its environment before it imports anything: addresses and settings, no secret."""
    told = {name: os.environ[name] for name in prefect_settings.SETTINGS}
    hidden = {} if runner.gpus else {"CUDA_VISIBLE_DEVICES": ""}
    options = {storage_options.VARIABLE: _storage_options(), storage_options.FINGERPRINT: storage_options.fingerprint()}
    return {
        **told,
        **hidden,
        **{name: value for name, value in options.items() if value is not None},
        _SERVER: server,
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",  # a worker must not start a server of its own
        "OMP_NUM_THREADS": str(runner.cores),
    }


def require_server(runner: ClusterRunner, server: str) -> None:
    """Raise ConfigurationError when nodes elsewhere can't reach the Prefect server, or its address holds a password."""
    parts = urlsplit(server)
    if parts.username or parts.password:
        problem = f"{_SERVER} holds a password, which the logs of every node would show"
        raise ConfigurationError(problem, "leave it out, and set PREFECT_API_AUTH_STRING here and on each node")
    if runner.address is not None:
        _require_near(runner, server, [_host(runner.address)])


def _require_answer(runner: ClusterRunner) -> None:
    """Raise ConfigurationError when nobody listens at a cluster's address: the clients would try it for minutes."""
    if runner.address is not None:
        try:
            socket.create_connection((_host(runner.address), int(runner.address.rpartition(":")[2])), _ANSWER).close()
        except OSError as error:
            raise _no_cluster(runner, error) from error


@contextlib.contextmanager
def ray_cluster(runner: RayRunner, workers: int, server: str) -> Iterator[str | None]:
    """A Ray cluster that this process drives, one of its own where no address is given.

    Gives what the cluster lacks, or None. Raises ConfigurationError when Ray is not installed, no cluster there, or
    this machine too small for one of its own.
    """
    require_server(runner, server)
    require_room(runner, workers)
    ray = _imported("ray", "ray")
    _require_answer(runner)
    with contextlib.ExitStack() as stack:
        place: dict[str, Any] = {"address": runner.address}
        if runner.address is None:
            _have_a_token()
            kept = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
            place = {
                "address": "local",
                "num_cpus": workers * runner.cores,
                "object_store_memory": _OBJECT_STORE,
                "include_dashboard": False,
                "_temp_dir": stack.enter_context(kept),
            }
        told = {"env_vars": environment(runner, server)}
        try:
            ray_join.join(ray, place, told)
        except (OSError, RuntimeError, ray.exceptions.RayError) as error:  # the last: no token, or a wrong one
            raise _no_cluster(runner, error) from error
        stack.callback(ray.shutdown)
        nodes = [node for node in ray.nodes() if node["Alive"]]
        _require_near(runner, server, [node["NodeManagerAddress"] for node in nodes])
        yield shortage(runner, [node["Resources"] for node in nodes])


@contextlib.contextmanager
def dask_cluster(runner: DaskRunner, workers: int, server: str) -> Iterator[dict[str, Any]]:
    """A Dask cluster as prefect-dask takes it, one of its own where no address is given.

    Raises ConfigurationError when Dask is not installed, nobody listens at the address, or this machine is too small
    for one of its own.
    """
    require_server(runner, server)
    require_room(runner, workers)
    distributed = _imported("distributed", "dask")
    _require_answer(runner)
    if runner.address is not None:
        yield {"address": runner.address}
        return
    quiet = {"DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical"}
    with distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
        memory_limit=runner.memory or 0,  # 0: no limit
        resources={"CPU": runner.cores, "memory": runner.memory or 0},
        env={**environment(runner, server), **quiet},
    ) as cluster:
        yield {"cluster": cluster}


def greet(runner: DaskRunner, client: Any, server: str) -> str | None:
    """Look at the workers of a Dask cluster, and have each use as many threads as a task asks for cores.

    Gives what the cluster lacks, or None. Raises ConfigurationError when a worker would report to another server, or
    write with other storage options.
    """
    known = client.scheduler_info(n_workers=-1)["workers"]
    _require_near(runner, server, [worker["host"] for worker in known.values()])
    for name, ours in ((_SERVER, server), (storage_options.VARIABLE, _storage_options())):
        for worker, found in client.run(os.getenv, name).items():
            if (found or None) != ours:
                problem = f"the Dask worker {worker} has {name} {found or 'not set'}, and the run {ours or 'has none'}"
                mend = f"start each worker with {name}={ours}" if ours else f"set {name} here too, or nowhere"
                raise ConfigurationError(problem, mend)
    content = storage_options.fingerprint()
    for worker, found in client.run(storage_options.fingerprint).items():
        if found != content:
            problem = f"the Dask worker {worker} has another {_storage_options()} than the run, or can't read it"
            raise ConfigurationError(problem, "give each node the same file")
    client.register_plugin(_threads(runner.cores))
    # Dask counts a worker's threads by themselves; a task takes one of them, and what else it asks for has a name.
    return shortage(runner, [{"CPU": 1, **worker["resources"]} for worker in known.values()])


def dask_resources(runner: DaskRunner) -> dict[str, float]:
    """What a task asks of a Dask worker by name; a worker offers it with the same names."""
    asked = {"CPU": runner.cores if runner.cores > 1 else 0, "GPU": runner.gpus, "memory": runner.memory or 0}
    return {name: count for name, count in asked.items() if count}


def _storage_options() -> str | None:
    """The file with the options of places, by its whole path; no link is followed, for it may lead elsewhere on a node.

    A node without that file fails its tasks and names it; one that was not told of it would write without them.
    """
    file = os.environ.get(storage_options.VARIABLE)
    return str(Path(file).absolute()) if file else None


def _threads(cores: int) -> Any:
    distributed = _imported("distributed", "dask")

    class Threads(distributed.WorkerPlugin):
        name = "unlearnable-threads"

        def setup(self, worker: Any) -> None:
            del worker
            import torch

            torch.set_num_threads(cores)

    return Threads()


def _imported(module: str, extra: str) -> Any:
    try:
        importlib.import_module(f"prefect_{extra}")
        return importlib.import_module(module)
    except ImportError as error:
        problem = f"the runner {extra} is not installed ({error})"
        raise ConfigurationError(problem, f"install unlearnable[{extra}], or use --runner threads") from error


def _no_cluster(runner: ClusterRunner, error: Exception) -> ConfigurationError:
    where = "on this machine" if runner.address is None else f"at {runner.address}"
    mend = "see that it is up and of the same version, and that RAY_AUTH_MODE and the token are those of its nodes"
    return ConfigurationError(f"there is no {runner.kind} cluster {where}: {error}", mend)


def _have_a_token() -> None:
    """A token for the cluster that this process starts, which listens on all addresses: who lacks it can't use it.

    Ray would make one too, and leave it in the user's home for others to read.
    """
    if "RAY_AUTH_MODE" not in os.environ and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _require_near(runner: ClusterRunner, server: str, hosts: Iterable[str]) -> None:
    """Raise ConfigurationError when one of the hosts is another machine, and the server answers on this one only."""
    if runner.address is None or not _is_loopback(urlsplit(server).hostname or ""):
        return
    for host in hosts:
        if not _is_here(host):
            problem = f"node {host} of the {runner.kind} cluster can't reach the Prefect server at {server}"
            raise ConfigurationError(problem, f"start a server that all nodes reach, and name it in {_SERVER}")


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in {"localhost", "::1", "0.0.0.0"}  # noqa: S104 - nothing is bound to it


def _is_here(host: str) -> bool:
    """True for an address of this machine: no other can be bound to."""
    try:
        family = socket.getaddrinfo(host, 0)[0][0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def _host(address: str) -> str:
    return address.rpartition("://")[2].rpartition(":")[0]
