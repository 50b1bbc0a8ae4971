"""Look ahead: what a protect run would do, and how long it would take, from a probe on the first pictures."""

import time
from itertools import islice

import torch

from flows import done_already
from infra.devices import device_kind, free_memory, pick_device
from infra.errors import DataError
from infra.keys import BucketKey
from schemas.dataset import SourcePlan, SourceSpec
from schemas.plan import JobPlan
from schemas.protect import ProtectConfig
from tasks.nn.batches import FitData
from tasks.noise import memory
from tasks.noise import method as methods
from tasks.noise.fit_data import wanted_samples
from tasks.noise.fitted import NoiseSource, NoiseSpec
from tasks.noise.journal import Unkept
from tasks.rewrite.places import check_apart
from tasks.rewrite.protect import Plan, protect
from tasks.shard import source
from tasks.shard.pictures import decode, is_sound
from tasks.shard.sample import LARGEST_WORKING_SIZE
from tasks.shard.samples import Sample
from tasks.shard.scale import to_working

_PROBED = 64
_PROBE_KEY = BucketKey(b"a probe protects nothing")


def look_ahead(config: ProtectConfig) -> JobPlan:
    """Plan and probe a job; writes nothing. Raises ConfigurationError, DataError, StorageError."""
    check_apart(config)
    pick_device(config.device)
    spec = source.spelled(config.source)
    plan = source.plan(spec)
    samples = _first(spec, plan)
    started = time.perf_counter()
    sound = [one for one in islice(samples, _PROBED) if is_sound(one.picture, spec.max_pixels)]
    check_seconds = (time.perf_counter() - started) / max(1, len(sound))
    if not sound:
        raise _no_picture(spec)
    done = done_already.look(config, plan)
    to_index = len(samples) * (len(plan.units) - len(done.indexed))
    count = to_index + sum(each.record.samples for each in done.indexed)
    to_rewrite = count - sum(each.samples for each in done.rewritten)
    size = config.method.working_size or done.side or _own_side(sound[0], spec.max_pixels)
    fitted_on, classes = _fit_data(config, count, len({one.label for one in samples}))
    fit_seconds, rewrite_seconds, bytes_out = _probe(config, sound, size, fitted_on)
    bytes_each = sum(len(one.picture) for one in sound) / len(sound)
    return JobPlan(
        format=plan.format,
        shards=len(plan.units),
        samples=count,
        exact=len(plan.units) == 1 or len(done.indexed) == len(plan.units),
        indexed_shards=len(done.indexed),
        fit_done=done.noise is not None,
        done_shards=len(done.rewritten),
        bytes_in=round(bytes_each * (to_index + to_rewrite)),
        bytes_out=bytes_out * to_rewrite // len(sound),
        index_seconds=check_seconds * to_index / config.workers,
        fit_seconds=0.0 if done.noise else fit_seconds,
        fit_bytes=0 if done.noise else memory.needed(config.method, fitted_on, size, classes),
        free_bytes=free_memory(pick_device(config.device)),
        rewrite_seconds=rewrite_seconds * to_rewrite / config.workers,
        probed=len(sound),
        device=device_kind(pick_device(config.device)),
    )


def _first(spec: SourceSpec, plan: SourcePlan) -> list[Sample]:
    """The samples of a source's first unit. Raises DataError when there is none."""
    found = [one for one in source.read(spec, plan.units[0]) if isinstance(one, Sample)]
    if not found:
        raise _no_picture(spec)
    return found


def _own_side(sample: Sample, max_pixels: int) -> int:
    return min(LARGEST_WORKING_SIZE, max(decode(sample.picture, max_pixels).shape[:2]))


def _no_picture(spec: SourceSpec) -> DataError:
    return DataError(f"{spec.url} has no good picture among its first", "check the URL and the split")


def _fit_data(config: ProtectConfig, samples: int, classes: int) -> tuple[int, int]:
    """Pictures that the fit sees and their classes, where the private source has so many of both; estimates."""
    if config.public is not None:
        plan = source.plan(config.public)
        first = _first(config.public, plan)
        if not config.in_context:
            samples, classes = 0, 0
        samples, classes = samples + len(first) * len(plan.units), classes + len({one.label for one in first})
    asked = wanted_samples(config.method)
    return samples if asked is None else min(asked, samples), classes


def _probe(config: ProtectConfig, samples: list[Sample], size: int, fitted_on: int) -> tuple[float, float, int]:
    """Seconds of a whole fit, seconds a rewritten picture, and bytes of the rewritten probe."""
    device, max_pixels = pick_device(config.device), config.source.max_pixels
    module = methods.module_of(config.method.kind)
    short = NoiseSpec(module.shortened(config.method), config.budget, config.application, _PROBE_KEY)
    images = torch.stack([torch.from_numpy(to_working(decode(s.picture, max_pixels), size)) for s in samples])
    labels = torch.arange(len(samples)) % 2
    data = FitData(images.to(device), labels.to(device), tuple(s.key for s in samples), 2)
    fitted = methods.fit(short, data, Unkept())
    seconds, passes = (sum(getattr(r, name) for r in fitted.rounds) for name in ("seconds", "image_steps"))
    sets = 2 if config.application.mixture == "two-sets" else 1
    fit_seconds = sets * seconds / max(1, passes) * module.image_steps(config.method, fitted_on)
    noise = methods.perturber(NoiseSource(short, fitted.tensors, 2, size, device))
    places = {sample.key: int(label) for sample, label in zip(samples, labels, strict=True)}
    plan = Plan(noise, config.budget, size, max_pixels, lambda s: places[s.key], lambda s: s.key)
    started = time.perf_counter()
    written = [len(data) for one in protect(iter(samples), plan, len(samples)) for _, data in one.parts]
    return fit_seconds, (time.perf_counter() - started) / len(samples), sum(written)
