"""What noise costs beside a training run on the same machine."""

import time
from typing import TYPE_CHECKING

from torch import Tensor

from infra.errors import DataError
from infra.storage import Folder
from schemas.fitted import NoiseRecord
from schemas.protect import ProtectedShard
from tasks.evaluate import victim as victims
from tasks.nn import augment
from tasks.nn.batches import Resident
from tasks.nn.train import Training

if TYPE_CHECKING:
    from schemas.protect import ProtectConfig
    from schemas.victims import Victim


def noise_seconds(protection: "ProtectConfig", noise: str) -> float:
    """Seconds that a finished protect run took to fit its noise and to rewrite its shards, as they were recorded.

    `noise` names the fit under noise/. Shards were worked on side by side: their times are shared by the workers.
    Raises DataError when a record is not there.
    """
    record = Folder(protection.noise_place).load(f"noise/{noise}/record.json", NoiseRecord)
    if record is None:
        raise DataError(f"there is no record of the noise {noise}", "run it again")
    workspace = Folder(protection.workspace)
    markers = [workspace.load(name, ProtectedShard) for name in workspace.list() if name.startswith("rewrite/")]
    rewriting = sum(marker.seconds for marker in markers if marker is not None)
    return record.seconds + rewriting / min(protection.workers, max(1, len(markers)))


def training_seconds(victim: "Victim", images: Tensor, labels: Tensor, classes: int) -> float:
    """Seconds of a whole training run on uint8 [N, S, S, 3] and int64 [N], from its second epoch; without any test."""
    model = victims.build(victim, classes, images.shape[1], seed=0).to(images.device)
    run = Training(model, Resident(images, labels), victim.recipe, augment.of(victim.recipe), seed=0).epochs()
    next(run)
    started = time.perf_counter()
    next(run)  # it ends with a number on the host, so the device is done
    return (time.perf_counter() - started) * victim.recipe.epochs
