"""Prefect task of the noise stage."""

import time
from dataclasses import asdict

from prefect import task

from infra import progress
from infra.devices import device_kind, pick_device, precision
from infra.keyring import load_key
from infra.keys import BucketKey
from infra.orchestration import RETRIES, cached, gpu_gate, log, secret_block
from infra.storage import Folder, sha256
from schemas.base import digest
from schemas.dataset import DatasetManifest
from schemas.noise import FitRound, NoiseRecord
from schemas.protect import ProtectConfig
from tasks.noise import method as methods
from tasks.noise import sample, store
from tasks.noise.fitted import Fitted, Round


def inputs_of(config: ProtectConfig, fit_on: DatasetManifest, size: int, key: BucketKey) -> str:
    """Digest of all that shapes a fit.

    A fit sees a bounded sample, and what it gives protects tomorrow's shards too: so it depends on which dataset it
    was made for (its address, its classes) and not on which shards lay there that day. Joint noise is made picture
    by picture: it depends on every one of them.
    """
    method = config.method
    joint = getattr(method, "procedure", None) == "joint"
    source = fit_on.source.model_dump(exclude={"max_bad_share", "max_pixels", "max_shard_bytes", "shard_size"})
    return digest(
        methods.module_of(method.kind).VERSION,
        method,
        config.budget,
        [list(fit_on.class_names), fit_on.digest if joint else source, size],
        key.fingerprint,
    )


@task(name="fit noise", task_run_name="fit {config.method.kind} {config.method.form}", **RETRIES)
def fit_noise(config: ProtectConfig, private: DatasetManifest, public: DatasetManifest | None) -> NoiseRecord:
    """Fit the noise, or find it done; keeps it in WORKSPACE/noise/. Fits on `public` when there is one."""
    workspace = Folder(config.workspace)
    key = load_key(workspace, config.key_file, secret_block(config.key_block))
    fit_on = public or private
    size = sample.working_size(private, config.method.working_size)
    inputs = inputs_of(config, fit_on, size, key)
    done = store.finished(workspace, inputs)
    if done is not None:
        log(f"noise {inputs[:16]} is there already")
        return cached(done)
    device = pick_device(config.device)
    started = time.perf_counter()
    with gpu_gate(device.type):
        data = sample.load(fit_on, size, _fit_samples(config), key, device)
        progress.start("fit", getattr(config.method, "max_rounds", 0), "rounds")
        fitted = methods.fit(config.method, config.budget.epsilon, data, key, _tell)
        progress.finish("fit")
    tensors = store.encode(fitted.tensors)
    record = NoiseRecord(
        inputs=inputs,
        method=config.method,
        budget=config.budget,
        class_names=fit_on.class_names,
        dataset=fit_on.digest,
        key_fingerprint=key.fingerprint,
        working_size=size,
        samples=len(data.images),
        rounds=_rounds(fitted),
        kept_round=fitted.kept_round,
        stopped=fitted.stopped,
        precision="bf16" if precision(device) == "bf16" else "fp32",
        device=device_kind(device),
        seconds=time.perf_counter() - started,
        tensors_bytes=len(tensors),
        tensors_sha256=sha256(tensors),
    )
    store.save(workspace, record, tensors)
    return record


def _fit_samples(config: ProtectConfig) -> int | None:
    """How many pictures the fit sees: joint sees all (None); a method without a fit needs one a class only."""
    method = config.method
    if method.kind == "random":
        return 1
    return None if method.procedure == "joint" else method.fit_samples


def _tell(one: Round) -> None:
    note = f"error {one.error:.3f} loss {one.loss:.3f}"
    rate = one.image_steps / max(one.seconds, 1e-9)
    log(f"round {one.round}: {note}, {one.seconds:.1f} s, {one.image_steps} image-steps ({rate:.0f}/s)")
    progress.advance("fit", 1, note)


def _rounds(fitted: Fitted) -> tuple[FitRound, ...]:
    return tuple(FitRound(**asdict(one)) for one in fitted.rounds)
