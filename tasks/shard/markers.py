"""Done-markers that are taken back: what they mark is done again by the next run."""

import contextlib
from collections.abc import Iterator

from infra.storage import Folder
from schemas.dataset import ShardIndex
from schemas.protect import ProtectedShard
from tasks.shard.load import ChangedError

_OF_NO_INPUTS = {"inputs": ""}


def take_back(folder: Folder, name: str, model: type[ShardIndex] | type[ProtectedShard]) -> None:
    """Let a shard's done-marker be of no inputs, if it is there."""
    marker = folder.load(name, model)
    if marker is not None:
        folder.save(name, marker.model_copy(update=_OF_NO_INPUTS))


@contextlib.contextmanager
def doubted_when_changed(workspace: Folder) -> Iterator[None]:
    """Take back the index of a shard whose bytes turn out to be others within, whatever a listing says of it.

    The index may be what is wrong, if the bytes were read wrongly when it was made. ChangedError goes on.
    """
    try:
        yield
    except ChangedError as error:
        for place in ("dataset", "public"):  # of two shards by one name the other is looked at again for nothing
            take_back(workspace.child(f"{place}/index"), f"{error.shard}.json", ShardIndex)
        raise
