"""What a fit is known by: the data that it is made on, and the digest that names its folder."""

from infra.keys import BucketKey
from schemas.base import digest
from schemas.dataset import DatasetManifest
from schemas.protect import ProtectConfig
from tasks.noise import method as methods
from tasks.noise.fit_data import Together, wanted_samples


def together(config: ProtectConfig, private: DatasetManifest, public: DatasetManifest | None) -> Together:
    """What a job's noise is fitted on: the public data where there are any, the private data, or both in a context."""
    if public is None:
        return Together(private, None)
    if config.in_context:
        return Together(private, public, config.coverage.classes)
    return Together(None, public)


def seen_by(config: ProtectConfig, fit_on: Together) -> str:
    """Digest of the data that a fit started now would see: a checkpoint goes on with no other.

    `inputs_of` leaves the shards of the day out on purpose; which pictures the key draws depends on them.
    """
    count = fit_on.count(wanted_samples(config.method))
    return digest([each.digest for each in fit_on.datasets], count)


def inputs_of(config: ProtectConfig, fit_on: Together, size: int, key: BucketKey) -> str:
    """Digest of all that shapes a fit.

    A fit sees a bounded sample, and what it gives protects tomorrow's shards too: so it depends on which dataset it
    was made for (its address, its classes) and not on which shards lay there that day. Joint noise is made picture
    by picture: it depends on every one of them.
    """
    method = config.method
    sees_all = wanted_samples(method) is None
    sources = [each.digest if sees_all else each.identity for each in fit_on.datasets]
    return digest(
        methods.module_of(method.kind).VERSION,
        method,
        config.budget,
        config.application,
        [list(fit_on.class_names), sources, size, sorted(fit_on.covered) if fit_on.covered else None],
        key.fingerprint,
    )
