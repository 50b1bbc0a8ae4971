"""What noise costs beside a training run on the same machine."""

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor

from infra.errors import DataError
from infra.storage import Folder
from schemas.fitted import NoiseRecord
from schemas.protect import ProtectedShard
from tasks.evaluate import victim as victims
from tasks.nn import augment
from tasks.nn.batches import Resident
from tasks.nn.train import Epoch, Training

if TYPE_CHECKING:
    from schemas.protect import ProtectConfig
    from schemas.victims import Victim


def noise_seconds(protection: "ProtectConfig", record: NoiseRecord, device: str) -> float:
    """Seconds that a finished protect run took to fit its noise and to rewrite its shards, as they were recorded.

    Of a fit that went on after a kill all rounds count. Shards were worked on side by side: their times are shared by
    the workers. Raises DataError when the noise was made on another kind of device than `device`.
    """
    if record.device != device:
        problem = f"the noise was made on {record.device}, and the training run would be timed on {device}"
        raise DataError(problem, "use another workspace, so that both are timed here")
    workspace = Folder(protection.workspace)
    markers = [workspace.load(name, ProtectedShard) for name in workspace.list() if name.startswith("rewrite/")]
    rewriting = sum(marker.seconds for marker in markers if marker is not None)
    return sum(each.seconds for each in record.rounds) + rewriting / min(protection.workers, max(1, len(markers)))


def training_seconds(victim: "Victim", images: Tensor, labels: Tensor, classes: int) -> float:
    """Seconds of a whole training run on uint8 [N, S, S, 3] and int64 [N], from its second epoch; without any test.

    The first warms up: it is timed only where there is no other. Raises DataError when training diverges.
    """
    model = victims.build(victim, classes, images.shape[1], seed=0).to(images.device)
    run = Training(model, Resident(images, labels), victim.recipe, augment.of(victim.recipe), seed=0).epochs()
    seconds = [_timed(run) for _ in range(min(2, victim.recipe.epochs))]
    return seconds[-1] * victim.recipe.epochs


def _timed(run: Iterator[Epoch]) -> float:
    started = time.perf_counter()
    epoch = next(run)  # it ends with a number on the host, so the device is done
    if not math.isfinite(epoch.loss):
        problem = f"the training run that noise is timed against diverged in epoch {epoch.epoch}"
        raise DataError(problem, "give it a recipe that it learns with, such as a lower lr")
    return time.perf_counter() - started
