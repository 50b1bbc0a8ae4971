"""Where tasks run: in threads of this process, or on a cluster. It shapes no byte of what comes out."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, model_validator

from schemas.base import Schema


class ThreadsRunner(Schema):
    """Threads of the process that runs the flow."""

    kind: Literal["threads"] = "threads"


class _Cluster(Schema):
    """What every cluster needs to know of a task."""

    cores: int = Field(default=1, ge=1, le=1024, description="Processor cores that a task asks for; torch uses these.")
    gpus: float = Field(
        default=0,
        ge=0,
        le=64,
        description="GPUs that a task asks for; a fraction shares one. Without any it sees none.",
    )
    memory: int | None = Field(
        default=None, ge=1 << 20, description="Bytes of memory that a task asks for; None: it is not counted."
    )

    @model_validator(mode="after")
    def _gpus_are_whole_above_one(self) -> "_Cluster":
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ValueError(f"{self.gpus:g} GPUs can't be handed out: a fraction of one, or a whole number")
        return self


class RayRunner(_Cluster):
    """A Ray cluster, through prefect-ray."""

    kind: Literal["ray"] = "ray"
    address: str | None = Field(
        default=None,
        pattern=r"^(ray://)?[A-Za-z0-9._-]+:\d{1,5}$",
        description="HOST:PORT of the cluster that this machine is a node of, or ray://HOST:PORT of one elsewhere; "
        "None: a cluster on this machine, for the time of a stage.",
    )


class DaskRunner(_Cluster):
    """A Dask cluster, through prefect-dask."""

    kind: Literal["dask"] = "dask"
    address: str | None = Field(
        default=None,
        pattern=r"^((tcp|tls)://)?[A-Za-z0-9._-]+:\d{1,5}$",
        description="HOST:PORT of its scheduler; None: a cluster on this machine, for the time of a stage.",
    )

    @model_validator(mode="after")
    def _gpus_are_handed_out_elsewhere(self) -> "DaskRunner":
        if self.gpus and self.address is None:
            raise ValueError("a Dask cluster on this machine hands out no GPUs: use ray, or give its address")
        return self


ClusterRunner = RayRunner | DaskRunner


def _threads_by_default(value: Any) -> Any:
    return {"kind": "threads", **cast("dict[str, Any]", value)} if isinstance(value, dict) else value


Runner = Annotated[
    ThreadsRunner | RayRunner | DaskRunner, Field(discriminator="kind"), BeforeValidator(_threads_by_default)
]


def require_shared(runner: Runner, places: Iterable[str | None]) -> None:
    """Raise ValueError for a place that the tasks of a run would not find, or find elsewhere.

    Nodes have working folders and homes of their own, and no process sees another's memory.
    """
    if isinstance(runner, ThreadsRunner):
        return
    for place in filter(None, places):
        if place.startswith("memory://"):
            raise ValueError(f"{place} lies in the memory of one process: use runner threads, or another place")
        if runner.address is not None and not _is_absolute(place):
            raise ValueError(f"{place} is another place on each node: give a URL, or a whole path that all nodes share")


def require_device(runner: Runner, device: str) -> None:
    """Raise ValueError when tasks ask for other devices than they are told to use."""
    if isinstance(runner, ThreadsRunner):
        return
    if device == "cuda" and not runner.gpus:
        raise ValueError("device cuda needs a GPU for each task: give the runner's gpus (--task-gpus)")
    if device == "cpu" and runner.gpus:
        raise ValueError(f"tasks ask for {runner.gpus:g} GPUs, and device cpu uses none: leave one of them out")


def _is_absolute(place: str) -> bool:
    return place == "digits" or place.startswith("/") or "://" in place
