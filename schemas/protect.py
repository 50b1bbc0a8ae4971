"""Protection: what is asked of a job, and what it leaves behind."""

from typing import Literal

from pydantic import Field, model_validator

from schemas.base import Schema, Stored
from schemas.card import Licence, Worth
from schemas.coverage import Coverage
from schemas.dataset import DatasetManifest, SourceSpec
from schemas.matching import Matching
from schemas.noise import MAX_EPSILON_L2, Application, ErrorMinimizing, MinMin, NoiseBudget, NoiseMethod
from schemas.place import Place
from schemas.runner import Runner, ThreadsRunner, require_device, require_shared

DeviceName = Literal["auto", "cpu", "cuda"]
MAX_THREADS = 256
_ROUNDS_TO_NOTHING = 0.5  # steps of 1/255; a half is rounded to even


class ProtectConfig(Schema):
    """Everything that shapes a protected dataset."""

    source: SourceSpec = Field(description="The dataset to protect; it is only read.")
    destination: Place = Field(description="Where the protected shards go: a folder or bucket to publish.")
    workspace: Place = Field(
        description="Private place for noise, source models, markers and reports; never published."
    )
    budget: NoiseBudget = Field(default=NoiseBudget(), description="How far a stored picture may be from its original.")
    method: NoiseMethod = Field(default=ErrorMinimizing(), description="How the noise is made.")
    application: Application = Field(
        default=Application(), description="Where noise lies, whether it is mixed, and by which arithmetic it is added."
    )
    coverage: Coverage = Field(default=Coverage(), description="Which pictures are protected.")
    public: SourceSpec | None = Field(
        default=None, description="Public source dataset to fit the noise on; None: the private data itself."
    )
    matching: Matching = Field(default=Matching(), description="How private classes are matched with public ones.")
    mapping: Place | None = Field(
        default=None,
        description="YAML or JSON file that names, for each private class, the public class that makes its noise; "
        "it takes precedence over `matching`.",
    )
    noise_store: Place | None = Field(
        default=None,
        description="Private place that keeps fitted noise for several jobs with one key, so that noise which is there "
        "is not fitted twice; None: the workspace.",
    )
    orphans: Literal["keep", "remove"] = Field(
        default="keep",
        description="What becomes of a protected shard whose source shard is gone; either way each run names it.",
    )
    device: DeviceName = Field(default="auto", description="Where tensors live; auto takes the GPU when there is one.")
    workers: int = Field(
        default=2,
        ge=1,
        le=10_000,
        description="Shards worked on at a time; a cluster elsewhere has no default, since its size can't be seen.",
    )
    runner: Runner = Field(default=ThreadsRunner(), description="Where shards are indexed and rewritten.")
    key_file: Place | None = Field(
        default=None,
        description="File with the bucket's secret key; UNLEARNABLE_KEY takes precedence over it.",
    )
    key_block: str | None = Field(
        default=None, min_length=1, description="Name of a Prefect Secret block with the bucket's secret key."
    )

    @model_validator(mode="after")
    def _tasks_find_all_they_need(self) -> "ProtectConfig":
        public = None if self.public is None else self.public.url
        places = (self.source.url, self.destination, self.workspace, public, self.noise_store, self.key_file)
        require_shared(self.runner, places)
        require_device(self.runner, self.device)
        if self.workers > MAX_THREADS and isinstance(self.runner, ThreadsRunner):
            raise ValueError(
                f"{self.workers} workers are too many for one process: {MAX_THREADS} at most, or a cluster"
            )
        return self

    @model_validator(mode="after")
    def _a_cluster_elsewhere_has_its_workers_stated(self) -> "ProtectConfig":
        # What is kept of a run states all fields, so it can be read again.
        elsewhere = None if isinstance(self.runner, ThreadsRunner) else self.runner.address
        if elsewhere is not None and "workers" not in self.model_fields_set:
            problem = f"how large the cluster at {elsewhere} is can't be seen from here"
            raise ValueError(f"{problem}: say with workers how many shards it works on at a time")
        return self

    @model_validator(mode="after")
    def _mapping_needs_public(self) -> "ProtectConfig":
        if self.mapping is not None and self.public is None:
            leads = f"mapping {self.mapping} leads to the classes of a public dataset, and none is given"
            raise ValueError(f"{leads}: give --public too, or leave the mapping out")
        if self.matching.how != "name" and self.public is None:
            raise ValueError(f"matching {self.matching.how!r} needs a public dataset, and none is given")
        return self

    @model_validator(mode="after")
    def _mixtures_are_class_wise(self) -> "ProtectConfig":
        if self.application.mixture != "none" and self.method.form != "class-wise":
            raise ValueError(f"mixture {self.application.mixture!r} is for class-wise noise: use form class-wise")
        return self

    @model_validator(mode="after")
    def _joint_noise_is_of_the_fits_pictures(self) -> "ProtectConfig":
        # It is found by a sample's key: a public sample of the same key would hand over its own noise.
        if self.joint and self.public is not None and not self.in_context:
            made = "joint noise is made for the very pictures that the fit sees, and here these are the public ones"
            raise ValueError(f"{made}: use --procedure two-phase, or leave --public out")
        return self

    @model_validator(mode="after")
    def _joint_noise_leaves_zero(self) -> "ProtectConfig":
        if not isinstance(self.method, MinMin) or not self.joint or self.budget.norm != "linf":
            return self
        reach = self.method.reach * self.budget.epsilon
        if reach <= _ROUNDS_TO_NOTHING:
            kept = f"joint noise is rounded to whole steps of 1/255 in each round, and its steps reach {reach:.2g}/255"
            raise ValueError(f"{kept}: it would stay at 0; raise --epsilon, method.steps or the size of a step")
        return self

    @property
    def noise_place(self) -> str:
        """Where fitted noise is kept."""
        return self.noise_store or self.workspace

    @property
    def joint(self) -> bool:
        """True for noise that is made picture by picture in the fit, and for no other picture."""
        return isinstance(self.method, MinMin) and self.method.procedure == "joint"

    @property
    def in_context(self) -> bool:
        """True when noise is made on private and public pictures together; a mapping file takes precedence."""
        return self.public is not None and self.matching.how == "context" and self.mapping is None


class ProtectedShard(Stored):
    """Done-marker of one rewritten shard: written last."""

    inputs: str = Field(description="Digest of the source shard, the noise, the coverage and the algorithm's version.")
    settings: str = Field(default="", description="Digest of the noise and of how it is applied, as for all shards.")
    source: str = Field(description="Name of the source shard.")
    name: str = Field(description="Name of the protected shard in the destination.")
    samples: int = Field(ge=0, description="Samples in it.")
    protected: int = Field(ge=0, description="Samples in it that carry noise.")
    max_abs_change: int = Field(ge=0, description="Largest change of a stored value, in steps of 1/255.")
    squared_change: int = Field(ge=0, description="Sum of squared changes over its protected pictures, in 1/255 steps.")
    values: int = Field(ge=0, description="Number of values in its protected pictures.")
    class_counts: dict[str, int] = Field(description="Samples by label, as the label is written.")
    bytes: int = Field(ge=0, description="Size of the stored object.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the stored object.")
    etag: str | None = Field(default=None, description="ETag of the stored object, in a bucket.")
    seconds: float = Field(ge=0, description="Time it took, in seconds.")


class ProtectionRecord(Schema):
    """What the world may know of how a destination was protected: nothing that helps to take the noise off."""

    method: str = Field(description="Kind of the noise.")
    form: str = Field(description="class-wise or sample-wise.")
    norm: Literal["linf", "l2"] = Field(description="The norm that is bounded.")
    epsilon: int = Field(ge=1, le=MAX_EPSILON_L2, description="The bound, in steps of 1/255.")
    variant: str = Field(default="", description="What sets this noise apart from the method's standard; empty: none.")
    noise_error: float | None = Field(default=None, description="Error rate at which the fit was kept.")
    converged: bool | None = Field(default=None, description="False when the fit ended above lambda: weak protection.")
    fraction: float = Field(description="Share of the samples that was to be protected.")
    classes: tuple[str, ...] | None = Field(description="Classes that were to be protected; None: all.")
    protected: int = Field(description="Samples that carry noise.")
    max_abs_change: int = Field(description="Largest change of a stored value, in steps of 1/255.")
    software: str = Field(description="Version that wrote the shards.")

    @property
    def budget(self) -> NoiseBudget:
        """How far a stored picture may be from its original."""
        return NoiseBudget(norm=self.norm, epsilon=self.epsilon)

    @model_validator(mode="after")
    def _is_a_budget(self) -> "ProtectionRecord":
        _ = self.budget
        return self


class ProtectedManifest(Stored):
    """manifest.json of a destination."""

    job: str = Field(description="Identity of the job that owns this destination.")
    dataset: DatasetManifest
    orphans: tuple[str, ...] = Field(
        default=(), description="Shards of it that stay though what they were made from is gone from the source."
    )
    outdated: tuple[str, ...] = Field(
        default=(), description="Orphans that were made by earlier settings: what `protection` states is not of them."
    )
    protection: ProtectionRecord
    licence: Licence = Field(default=Licence(), description="What the source says of its licence.")
    worth: Worth | None = Field(
        default=None, description="What an evaluation of exactly these bytes found, when its owner has it published."
    )


class Published(Schema):
    """What publishing did."""

    manifest: ProtectedManifest
    removed: tuple[str, ...] = Field(description="Shards that were removed: they no longer belong to the dataset.")


class Job(Stored):
    """job.json of a workspace: which destination it owns."""

    job: str = Field(pattern=r"^[0-9a-f]{32}$", description="Identity of the job, drawn once.")
    destination: str = Field(description="The destination that this workspace writes.")


class KeptConfig(Stored):
    """config.json of a workspace: what its last run was asked for, so that it can be run again."""

    config: ProtectConfig
    folder: str = Field(description="The folder that relative places count from.")


class ProtectSummary(Schema):
    """What a protect run did: the object that `protect --json` prints."""

    samples: int
    protected: int
    quarantined: int
    shards: int
    skipped_shards: int
    max_abs_change: int
    seconds: float
    destination: str
    workspace: str
    orphans_kept: tuple[str, ...] = Field(
        default=(), description="Protected shards that stay though their source shard is gone."
    )
    orphans_removed: tuple[str, ...] = Field(
        default=(), description="Protected shards removed because their source shard is gone."
    )
    noise: str = Field(description="Digest of the noise, under WORKSPACE/noise/.")
    noise_error: float | None = Field(description="Error rate at which the fit was kept; None without a fit.")
    converged: bool = Field(description="False when the fit ended above lambda: expect weak protection.")
    stopped: str = Field(description="How the fit ended: at-lambda, at-cap, diverged or no-fit.")
