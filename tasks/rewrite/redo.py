"""What has to go for a stage to be done again: the markers of its work and of all that comes after it."""

from typing import get_args

from infra.storage import Folder
from schemas.dataset import ShardIndex
from schemas.protect import ProtectConfig, ProtectedShard
from schemas.run import Redone, Stage
from tasks.noise import store
from tasks.shard.markers import take_back

_BEGUN = "redo.json"


def forget(config: ProtectConfig, stage: Stage, noise: str | None) -> int:
    """Let what marks a stage's work, and that of the stages after it, as done say so no more; how many markers.

    Those of shards stay and are of no inputs any more: they also tell which shards are this job's, and which of them
    are gone from the source. Of fitted noise the record goes of `noise`, the digest of this job's own, and no other: a
    store may hold what other jobs use.
    """
    workspace, stages = Folder(config.workspace), _from(stage)
    count = 0
    if "shard" in stages:
        count += _invalidate(workspace.child("dataset/index"), ShardIndex)
        count += _invalidate(workspace.child("public/index"), ShardIndex)
    if "match" in stages:
        workspace.delete("match/mapping.json")
    if "noise" in stages and noise is not None:
        store.folder_of(Folder(config.noise_place), noise).delete(store.RECORD)
        count += 1
    return count + _invalidate(workspace.child("rewrite"), ProtectedShard)


def was_begun(config: ProtectConfig, stage: Stage, run: str) -> bool:
    """True when the run `run` has let go of the work of this stage in this workspace before."""
    return Folder(config.workspace).load(_BEGUN, Redone) == Redone(run=run, stage=stage)


def begun(config: ProtectConfig, stage: Stage, run: str) -> None:
    """Note that the run `run` has let go of the work of a stage."""
    Folder(config.workspace).save(_BEGUN, Redone(run=run, stage=stage))


def _from(stage: Stage) -> tuple[Stage, ...]:
    order: tuple[Stage, ...] = get_args(Stage)
    return order[order.index(stage) :]


def _invalidate(folder: Folder, model: type[ShardIndex] | type[ProtectedShard]) -> int:
    names = list(folder.list())
    for name in names:
        take_back(folder, name, model)
    return len(names)
