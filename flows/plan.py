"""Look ahead: what a protect run would do, and how long it would take, from a probe on the first pictures."""

import time
from itertools import islice

import torch

from infra.devices import device_kind, pick_device
from infra.errors import DataError
from infra.keys import BucketKey
from infra.storage import Folder
from schemas.noise import ErrorMinimizing, RandomNoise
from schemas.plan import JobPlan
from schemas.protect import ProtectConfig
from tasks.noise import method as methods
from tasks.noise.fitted import FitData, NoiseSource
from tasks.noise.resize import to_working
from tasks.noise.sample import LARGEST_WORKING_SIZE
from tasks.rewrite.places import check_apart
from tasks.rewrite.protect import Plan, protect
from tasks.shard import source
from tasks.shard.pictures import decode, is_sound
from tasks.shard.samples import Sample

_PROBED = 64
_PROBE_KEY = BucketKey(b"a probe protects nothing")


def look_ahead(config: ProtectConfig) -> JobPlan:
    """Plan and probe a job; writes nothing. Raises ConfigurationError, DataError, StorageError."""
    check_apart(config)
    pick_device(config.device)
    spec = config.source
    plan = source.plan(spec)
    samples = [one for one in source.read(spec, plan.units[0]) if isinstance(one, Sample)]
    started = time.perf_counter()
    sound = [one for one in islice(samples, _PROBED) if is_sound(one.picture, spec.max_pixels)]
    check_seconds = (time.perf_counter() - started) / max(1, len(sound))
    if not sound:
        raise DataError(f"{spec.url} has no good picture among its first", "check the URL and the split")
    count = len(samples) * len(plan.units)
    size = config.method.working_size or min(
        LARGEST_WORKING_SIZE, max(decode(sound[0].picture, spec.max_pixels).shape[:2])
    )
    fit_seconds, rewrite_seconds, bytes_out = _probe(config, sound, size)
    return JobPlan(
        format=plan.format,
        shards=len(plan.units),
        samples=count,
        exact=len(plan.units) == 1,
        bytes_in=sum(len(one.picture) for one in sound) * count // len(sound),
        bytes_out=bytes_out * count // len(sound),
        index_seconds=check_seconds * count / config.workers,
        fit_seconds=fit_seconds,
        rewrite_seconds=rewrite_seconds * count / config.workers,
        done_shards=sum(name.startswith("rewrite/") for name in Folder(config.workspace).list()),
        device=device_kind(pick_device(config.device)),
    )


def _probe(config: ProtectConfig, samples: list[Sample], size: int) -> tuple[float, float, int]:
    """Seconds of a whole fit, seconds a rewritten picture, and bytes of the rewritten probe."""
    device, method, spec = pick_device(config.device), config.method, config.source
    images = torch.stack([torch.from_numpy(to_working(decode(s.picture, spec.max_pixels), size)) for s in samples])
    labels = torch.arange(len(samples)) % 2
    data = FitData(images.to(device), labels.to(device), tuple(s.key for s in samples), 2)
    epsilon = config.budget.epsilon
    short = method if isinstance(method, RandomNoise) else method.model_copy(update={"max_rounds": 1})
    fitted = methods.fit(short, epsilon, data, _PROBE_KEY, lambda _: None)
    fit_seconds = 0.0
    if isinstance(method, ErrorMinimizing) and fitted.rounds:
        one = fitted.rounds[0]
        fit_seconds = one.seconds / one.image_steps * _passes(method) * method.max_rounds
    noise = methods.perturber(NoiseSource(short, epsilon, fitted.tensors, 2, size, _PROBE_KEY, device))
    places = {sample.key: int(label) for sample, label in zip(samples, labels, strict=True)}
    plan = Plan(noise, epsilon, size, spec.max_pixels, lambda s: places[s.key], lambda s: s.key)
    started = time.perf_counter()
    written = [len(data) for one in protect(iter(samples), plan, len(samples)) for _, data in one.parts]
    return fit_seconds, (time.perf_counter() - started) / len(samples), sum(written)


def _passes(method: ErrorMinimizing) -> int:
    """Gradient passes over a picture in a round of the real fit."""
    share = method.subset if method.form == "class-wise" else 1.0
    return method.model_steps * method.batch_size + round(method.steps * method.fit_samples * share)
