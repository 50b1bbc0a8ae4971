"""Whether an evaluation's training pictures fit in memory."""

from infra import machine
from infra.caching import shared
from infra.devices import free_memory, pick_device
from infra.storage import Folder
from schemas.evaluate import EvaluateConfig
from tasks.evaluate import shard_sets
from tasks.rewrite.audit import manifest_of

_MARGIN = 0.5  # part of the free memory that pictures may take: networks, batches and other programs need some too
TREATED = 4  # treated sets that are kept for their next seed


def streams(config: EvaluateConfig, size: int) -> bool:
    """True when training pictures of side `size` are to be read from their shards anew each epoch.

    Raises ConfigurationError when that is asked for and can't be done. Where it can't be done and is not asked for,
    they are loaded, fit or not.
    """
    if config.memory == "streamed":
        shard_sets.check(config)
        return True
    return config.memory == "auto" and config.beside is None and not fits(config, size)


@shared(8)
def fits(config: EvaluateConfig, size: int) -> bool:
    """True when the originals, all copies and what is made of them fit where they have to lie.

    Decided once for all runs of an evaluation: runs on pictures in memory don't compare with those that stream. With
    other memory free it may come out otherwise, and runs that are done count for nothing then.
    """
    one = manifest_of(Folder(config.protected[0])).dataset.samples * size * size * 3
    device = pick_device(config.device)
    made = TREATED + 1  # and one that is being loaded
    host = _is_free(one * (1 + len(config.protected) + made), machine.free_memory())
    return host and (device.type == "cpu" or _is_free(one * made, free_memory(device)))


def _is_free(needed: int, free: int | None) -> bool:
    return free is None or needed <= _MARGIN * free
