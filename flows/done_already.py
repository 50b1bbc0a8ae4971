"""What of a protect run is done already, by its markers; nothing is written, no picture is looked at."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from infra.errors import ConfigurationError, DataError
from infra.keyring import known_key
from infra.storage import Folder
from schemas.dataset import DatasetManifest, ShardIndex, SourcePlan, SourceSpec
from schemas.fitted import NoiseRecord
from schemas.protect import ProtectConfig, ProtectedShard
from tasks.match import mapping
from tasks.noise import identity, store
from tasks.noise.fit_data import wanted_samples
from tasks.rewrite import shard as shards
from tasks.shard import done, sample, source
from tasks.shard.index import lost, merge

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")
_READERS = 16  # a look at one object costs a bucket tens of milliseconds


@dataclass(frozen=True)
class DoneAlready:
    """The part of a job that a run would skip: indexed shards, the noise, rewritten shards.

    `side`: pixels a side at which its noise is made; None while nothing is indexed.
    """

    indexed: tuple[ShardIndex, ...]
    side: int | None = None
    noise: NoiseRecord | None = None
    rewritten: tuple[ProtectedShard, ...] = ()


@dataclass(frozen=True)
class _Seen:
    """One dataset of a job: its indices, and the manifest of what they cover."""

    indices: tuple[ShardIndex, ...]
    manifest: DatasetManifest | None
    whole: bool


def look(config: ProtectConfig, plan: SourcePlan) -> DoneAlready:
    """What a run of `config` would find done. Raises ConfigurationError, DataError, StorageError as that run would.

    As far as is indexed: a shard that is not yet may bring a class, and then all noise is made anew.
    """
    private = _see(config, config.source, plan, "dataset")
    public = None
    if config.public is not None:
        public = _see(config, config.public, source.plan(source.spelled(config.public)), "public")
    key = known_key(Folder(config.workspace), config.key_file, _block(config))
    theirs = public.manifest if public else None
    if private.manifest is None:
        return DoneAlready(private.indices)
    size = sample.working_size(private.manifest, config.method.working_size)
    if key is None or (public is not None and theirs is None):
        return DoneAlready(private.indices, size)
    fit_on = identity.together(config, private.manifest, theirs)
    noise = None
    # Noise made picture by picture is not done while a shard is not indexed; other noise does not depend on it.
    whole = private.whole and (public is None or public.whole)
    if whole or wanted_samples(config.method) is not None:
        noise = store.finished(Folder(config.noise_place), identity.inputs_of(config, fit_on, size, key))
    try:
        classes = mapping.known(config, private.manifest, theirs, key)
    except ConfigurationError:
        if whole:
            raise
        classes = None  # a class that seems to be missing may lie in what is not indexed yet
    if noise is None or classes is None:
        return DoneAlready(private.indices, size, noise)
    job = shards.Job(config, private.manifest.heading, classes, noise, key)
    return DoneAlready(private.indices, size, noise, _found(partial(shards.done, job), private.manifest.shards))


def _see(config: ProtectConfig, spec: SourceSpec, plan: SourcePlan, place: str) -> _Seen:
    folder, spec = Folder(config.workspace).child(place), source.spelled(spec)
    found = _found(partial(done.finished, folder, spec), plan.units)
    whole = len(found) == len(plan.units)
    return _Seen(found, _manifest(folder, spec, plan, found, whole), whole)


def _found(look_up: Callable[[_Item], _Found | None], items: Sequence[_Item]) -> tuple[_Found, ...]:
    """What is there for some of the items, in their order."""
    with ThreadPoolExecutor(_READERS) as pool:
        return tuple(found for found in pool.map(look_up, items) if found is not None)


def _manifest(
    folder: Folder, spec: SourceSpec, plan: SourcePlan, indices: tuple[ShardIndex, ...], whole: bool
) -> DatasetManifest | None:
    """The manifest of what is indexed, which a new shard of known classes would only lengthen; None when nothing is."""
    if not indices:
        return None
    try:
        manifest = merge(spec, plan, indices, lost(plan, folder))
    except DataError:
        if whole:
            raise  # a run would fail by it as well
        return None
    side = done.known_side(folder, manifest) or sample.typical_side(manifest)
    return manifest.model_copy(update={"typical_side": side})


def _block(config: ProtectConfig) -> str | None:
    if config.key_block is None:
        return None
    from infra.orchestration import secret_block  # it needs a server, which no other plan does

    return secret_block(config.key_block)
