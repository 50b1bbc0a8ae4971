"""The training pictures of one run: which they are, and how they come to the network."""

from dataclasses import dataclass
from typing import Protocol

import torch

from schemas.evaluate import EvaluateConfig
from tasks.evaluate import memory, sets, shard_sets
from tasks.evaluate.cells import Cell
from tasks.evaluate.shard_sets import ShardSet
from tasks.evaluate.streaming import Streamed
from tasks.evaluate.treatment import Treatment
from tasks.nn.batches import Batches, Resident


class Chosen(Protocol):
    """The training pictures of a run, before its countermeasure."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def digest(self) -> str:
        """Tells what is trained on, and whether it is streamed: that gives other results."""
        ...

    def batches(self, does: Treatment, seed: int, device: torch.device) -> Batches:
        """Batches on a device, after what the countermeasure does to pictures before training."""
        ...


@dataclass(frozen=True)
class Loaded:
    """Training pictures that lie in memory."""

    config: EvaluateConfig
    cell: Cell
    clean_share: float
    size: int

    @property
    def count(self) -> int:
        """See Chosen."""
        return len(self._held.images)

    def digest(self) -> str:
        """See Chosen: SHA-256 of the pictures."""
        return self._held.digest()

    def batches(self, does: Treatment, seed: int, device: torch.device) -> Batches:
        """See Chosen. What is done to pictures without a look at the others is done once for all seeds."""
        labels = self._held.labels.to(device)
        if does.pictures and not does.learn:
            asked = (self.cell.protected, self.cell.part, self.clean_share, self.size, self.cell.countermeasure)
            return Resident(sets.treated(self.config, *asked, device), labels)
        found = Resident(self._held.images.to(device), labels)
        if does.learn:
            found = found.map(does.learn(found.images, labels, seed))
        return found.map(does.pictures) if does.pictures else found

    @property
    def _held(self) -> sets.Pictures:
        return sets.training_set(self.config, self.cell.protected, self.cell.part, self.clean_share, self.size)


@dataclass(frozen=True)
class InShards:
    """Training pictures that are read from their shards anew each epoch."""

    set: ShardSet
    size: int

    @property
    def count(self) -> int:
        """See Chosen."""
        return sum(shard.samples for shard in self.set.shards)

    def digest(self) -> str:
        """See Chosen: of the shards' hashes, where they have any, not of the pixels."""
        return self.set.digest

    def batches(self, does: Treatment, seed: int, device: torch.device) -> Batches:
        """See Chosen. What has to look at pictures first is shown as many as the shuffle buffer holds."""
        found = Streamed(self.set.shards, self.size, device)
        if does.learn:
            found = found.map(does.learn(*found.sample(seed), seed))
        return found.map(does.pictures) if does.pictures else found


def pictures(config: EvaluateConfig, cell: Cell, does: Treatment, size: int) -> Chosen:
    """What a cell's victim is trained on: in memory where that is asked for or they fit, else streamed.

    Raises ConfigurationError when they are to be streamed and can't be; DataError, StorageError.
    """
    if memory.streams(config, size):
        return InShards(shard_sets.of(config, cell.protected, cell.part, does.clean_share, size), size)
    return Loaded(config, cell, does.clean_share, size)
