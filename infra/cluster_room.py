"""Whether a cluster has room for what tasks ask for: told of one elsewhere, required of one on this machine."""

from collections.abc import Iterable

from infra import machine
from infra.errors import ConfigurationError
from schemas.runner import ClusterRunner, DaskRunner


def shortage(runner: ClusterRunner, nodes: Iterable[dict[str, float]]) -> str | None:
    """What is wrong when none of the nodes, each with what it has, can do a task; None when one can.

    Raises ConfigurationError on a cluster of this machine, which no other node will ever join.
    """
    asked = {"CPU": runner.cores, "GPU": runner.gpus, "memory": runner.memory or 0}
    if any(all(node.get(name, 0) >= count for name, count in asked.items()) for node in nodes):
        return None
    listed = ", ".join(f"{name} {count:g}" for name, count in asked.items() if count)
    problem = f"no node of the {runner.kind} cluster has what a task asks for ({listed})"
    if runner.address is None:
        raise ConfigurationError(problem, "ask for less, or name a larger cluster with --runner-address")
    return problem


def require_room(runner: ClusterRunner, workers: int) -> None:
    """Raise ConfigurationError when a cluster of this machine would offer what the machine has not.

    Its nodes are told what they have. Ray measures the memory by itself, and lets tasks wait for it.
    """
    if runner.address is not None:
        return
    here = machine.cores()
    if runner.cores > here:
        problem = f"a task asks for {runner.cores} cores, and this machine has {here}"
        raise ConfigurationError(problem, "ask for fewer with --task-cores, or name a cluster with --runner-address")
    memory = machine.total_memory()
    if isinstance(runner, DaskRunner) and runner.memory and memory is not None and workers * runner.memory > memory:
        asked = f"{workers} tasks at a time ask for {runner.memory / 1e9:.3g} GB of memory each"
        problem = f"{asked}, and this machine has {memory / 1e9:.3g} GB"
        raise ConfigurationError(
            problem, "ask for less with --task-memory, or for fewer with --workers (evaluate: more --task-cores)"
        )
