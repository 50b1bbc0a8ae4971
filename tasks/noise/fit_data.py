"""The pictures that a fit sees: private ones, public ones, or both as classes of one dataset."""

from collections.abc import Collection
from dataclasses import dataclass

import torch

from infra.keys import BucketKey
from schemas.dataset import DatasetManifest
from schemas.noise import NoiseMethod
from tasks.nn.batches import FitData
from tasks.noise import method as methods
from tasks.shard import sample

_PUBLIC = "public/"


@dataclass(frozen=True)
class Together:
    """Where a fit's pictures come from.

    `private` None: public data alone. In a context both are there: the private classes come first, those that are
    not `covered` (names; None: all) without a picture.
    """

    private: DatasetManifest | None
    public: DatasetManifest | None
    covered: Collection[str] | None = None

    def __post_init__(self) -> None:
        if not self.datasets:
            raise ValueError("a fit needs a dataset")

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes by index; in a context public names are marked, for they may be the same."""
        if self.private is None or self.public is None:
            return self.datasets[0].class_names
        return (*self.private.class_names, *(_PUBLIC + name for name in self.public.class_names))

    @property
    def datasets(self) -> tuple[DatasetManifest, ...]:
        """The datasets, the private one first."""
        return tuple(each for each in (self.private, self.public) if each is not None)

    def counts(self) -> tuple[int, ...]:
        """Pictures that there are, for each dataset."""
        return tuple(sum(sample.counts(each, self._classes(each)).values()) for each in self.datasets)

    def count(self, samples: int | None) -> int:
        """Pictures that a fit of about `samples` sees (None: all; 0: none)."""
        if samples == 0:
            return 0
        quotas = (sample.quotas(sample.counts(e, self._classes(e)), n) for e, n in self._shares(samples))
        return sum(sum(quota.values()) for quota in quotas)

    def load(self, size: int, samples: int | None, key: BucketKey, device: torch.device) -> FitData:
        """About `samples` pictures (None: all), shared between the datasets by their counts.

        0: none, and no shard is read. Otherwise each class that has pictures comes with at least one.
        """
        if samples == 0:
            none = torch.empty(0, size, size, 3, dtype=torch.uint8, device=device)
            return FitData(none, torch.empty(0, dtype=torch.int64, device=device), (), len(self.class_names))
        parts = [sample.load(e, size, n, key, device, self._classes(e)) for e, n in self._shares(samples)]
        if len(parts) == 1:
            return parts[0]
        private, public = parts
        return FitData(
            torch.cat([private.images, public.images]),
            torch.cat([private.labels, public.labels + private.classes]),
            (*private.keys, *(_PUBLIC + name for name in public.keys)),
            private.classes + public.classes,
        )

    def _shares(self, samples: int | None) -> list[tuple[DatasetManifest, int | None]]:
        counts = self.counts()
        total = max(1, sum(counts))
        shares = [None if samples is None else max(1, round(samples * count / total)) for count in counts]
        return list(zip(self.datasets, shares, strict=True))

    def _classes(self, dataset: DatasetManifest) -> Collection[str] | None:
        return self.covered if dataset is self.private else None


def wanted_samples(method: NoiseMethod) -> int | None:
    """How many pictures a fit asks for: None all of them, 0 none at all."""
    return methods.module_of(method.kind).wanted_samples(method)
