"""The protected copies that experiments train on: each is made once, and its noise is shared by all that need it."""

from dataclasses import dataclass

from flows.paper import places
from flows.protect import protect
from infra.errors import DataError
from infra.keyring import FILE
from infra.storage import Folder
from schemas.base import digest
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.experiments import DatasetName, Noise, ReproduceConfig
from schemas.fitted import NoiseRecord
from schemas.matching import Matching
from schemas.protect import ProtectConfig
from tasks.rewrite.audit import audit


@dataclass(frozen=True)
class Copy:
    """A protected copy that is there and has passed its audit: the protect run that made it, and its noise's record."""

    config: ProtectConfig
    noise: NoiseRecord

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
        """The copy of a dataset with this noise, made if it is not there. Raises DataError when its audit fails."""
        source = places.of(dataset, "train", self._config)
        public = places.of(noise.public, "train", self._config) if noise.public else None
        name = digest(noise, source, public, self._config.noise_seed)[:16]
        if name not in self._made:
            place = Folder(self._config.workspace).child(f"copies/{name}")
            self._made[name] = _protected(self._job(place, noise, source, public))
        return self._made[name]

    def _job(self, place: Folder, noise: Noise, source: SourceSpec, public: SourceSpec | None) -> ProtectConfig:
        config, private = self._config, place.child("private")
        private.write(FILE, f"reproduction {config.noise_seed}\n".encode(), private=True)
        return ProtectConfig(
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
            mapping=places.mapping_file(noise.mapping, public, private) if noise.mapping and public else None,
            device=config.device,
            workers=config.workers,
        )


def _protected(job: ProtectConfig) -> Copy:
    made = protect(job)
    problems = audit(Folder(job.destination), job.source).problems
    if problems:
        raise DataError(
            f"{job.destination} does not pass its audit ({problems[0]})", "remove that folder, run it again"
        )
    record = Folder(job.noise_place).load(f"noise/{made.noise}/record.json", NoiseRecord)
    if record is None:
        raise DataError(f"there is no record of the noise {made.noise}", "run it again")
    return Copy(job, record)
