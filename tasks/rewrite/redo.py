"""What has to go for a stage to be done again: the markers of its work and of all that comes after it."""

from typing import get_args

from infra.storage import Folder
from schemas.fitted import NoiseRecord
from schemas.protect import ProtectConfig
from schemas.run import Stage
from tasks.noise import store

_MARKERS: dict[Stage, tuple[str, ...]] = {
    "shard": ("dataset/index", "public/index"),
    "match": ("match",),
    "rewrite": ("rewrite",),
}


def forget(config: ProtectConfig, stage: Stage) -> int:
    """Remove the markers of a stage and of those after it; how many there were. The objects that they name stay.

    Of noise those records go that the job's own workspace keeps, and of a store that several jobs share those with this
    job's method and budget: whoever needs one of them finds its tensors unmarked and fits it again, with equal bytes
    from equal pictures.
    """
    workspace, removed = Folder(config.workspace), 0
    for each in _from(stage):
        for place in _MARKERS.get(each, ()):
            folder = workspace.child(place)
            removed += _remove(folder, list(folder.list()))
        if each == "noise":
            removed += _forget_noise(config)
    return removed


def _from(stage: Stage) -> tuple[Stage, ...]:
    order: tuple[Stage, ...] = get_args(Stage)
    return order[order.index(stage) :]


def _forget_noise(config: ProtectConfig) -> int:
    folder = Folder(config.noise_place).child("noise")
    records = [name for name in folder.list() if name.endswith(f"/{store.RECORD}")]
    return _remove(folder, [name for name in records if config.noise_store is None or _is_like(config, folder, name)])


def _is_like(config: ProtectConfig, folder: Folder, name: str) -> bool:
    record = folder.load(name, NoiseRecord)
    return record is not None and (record.method, record.budget) == (config.method, config.budget)


def _remove(folder: Folder, names: list[str]) -> int:
    for name in names:
        folder.delete(name)
    return len(names)
