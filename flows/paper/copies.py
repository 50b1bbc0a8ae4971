"""The protected copies that experiments train on: each is made once, and its noise is shared by all that need it."""

from dataclasses import dataclass

from flows.paper import places
from flows.protect import protect
from infra.keyring import FILE
from infra.storage import Folder
from schemas.base import digest
from schemas.coverage import Coverage
from schemas.experiments import DatasetName, Noise, ReproduceConfig
from schemas.matching import Matching
from schemas.protect import ProtectConfig


@dataclass(frozen=True)
class Copy:
    """A protected copy that is there: the protect run that made it, and the digest of its noise."""

    config: ProtectConfig
    noise: str

    @property
    def place(self) -> str:
        """Where the copy lies."""
        return self.config.destination


class Copies:
    """Makes copies on demand, by everything that shapes them; what an earlier run made is found again.

    All of them draw from one key, so that a picture that is covered at one share is the same at another, and noise that
    is the same for two copies is fitted once, in WORKSPACE/noise.
    """

    def __init__(self, config: ReproduceConfig):
        self._config = config
        self._made: dict[str, Copy] = {}

    def of(self, noise: Noise, dataset: DatasetName) -> Copy:
        """The copy of a dataset with this noise, made if it is not there."""
        config = self._config
        source = places.of(dataset, "train", config)
        public = places.of(noise.public, "train", config) if noise.public else None
        name = digest(noise, source, public, config.noise_seed)[:16]
        if name not in self._made:
            self._made[name] = self._protected(Folder(config.workspace).child(f"copies/{name}"), noise, dataset)
        return self._made[name]

    def _protected(self, place: Folder, noise: Noise, dataset: DatasetName) -> Copy:
        config = self._config
        private = place.child("private")
        private.write(FILE, f"reproduction {config.noise_seed}\n".encode(), private=True)
        source = places.of(dataset, "train", config)
        public = places.of(noise.public, "train", config) if noise.public else None
        mapping = places.mapping(noise.mapping, public, private) if noise.mapping and public else None
        wanted = ProtectConfig(
            source=source,
            destination=place.child("public").url,
            workspace=private.url,
            noise_store=config.workspace,
            budget=noise.budget,
            method=noise.method,
            application=noise.application,
            coverage=Coverage(fraction=noise.fraction, classes=places.classes_of(noise.classes, source)),
            public=public,
            matching=Matching(how="context" if noise.context else "name"),
            mapping=mapping,
            device=config.device,
            workers=config.workers,
        )
        return Copy(wanted, protect(wanted).noise)
