"""Prefect task of the noise stage."""

import time
from dataclasses import asdict

import infra.prefect_settings  # noqa: F401 - before Prefect

import torch
from prefect import task

from infra import artifacts, failures, progress
from infra.devices import device_kind, free_memory, pick_device, precision
from infra.keyring import load_key
from infra.keys import BucketKey
from infra.orchestration import RETRIES, cached, gpu_gate, log, secret_block, warn
from infra.storage import Folder, sha256
from schemas.base import digest
from schemas.dataset import DatasetManifest
from schemas.fitted import FitRound, NoiseRecord
from schemas.protect import ProtectConfig
from tasks.noise import memory, shown, store
from tasks.noise import method as methods
from tasks.noise.fit_data import Together, wanted_samples
from tasks.noise.fitted import Fitted, NoiseSpec, Round
from tasks.noise.identity import inputs_of, seen_by, together
from tasks.shard import sample
from tasks.shard.markers import doubted_when_changed


def noise_of(config: ProtectConfig) -> str | None:
    """Digest of the noise of a job, by what its workspace keeps of its datasets; None when it keeps nothing yet."""
    workspace = Folder(config.workspace)
    private, public = (workspace.load(f"{place}/manifest.json", DatasetManifest) for place in ("dataset", "public"))
    if private is None or (config.public is not None and public is None):
        return None
    key = load_key(workspace, config.key_file, secret_block(config.key_block))
    fit_on = together(config, private, public if config.public else None)
    return inputs_of(config, fit_on, sample.working_size(private, config.method.working_size), key)


@task(name="fit noise", task_run_name="fit {config.method.kind} {config.method.form}", **RETRIES)
def fit_noise(config: ProtectConfig, private: DatasetManifest, public: DatasetManifest | None) -> NoiseRecord:
    """Fit the noise, find it done, or go on where a fit was stopped; keeps it in noise/ of the noise's place.

    Raises ConfigurationError when the fit would take more memory than there is.
    """
    workspace = Folder(config.noise_place)
    key = load_key(Folder(config.workspace), config.key_file, secret_block(config.key_block))
    fit_on = together(config, private, public)
    size = sample.working_size(private, config.method.working_size)
    inputs = inputs_of(config, fit_on, size, key)
    journal = store.StoredJournal(store.folder_of(workspace, inputs), _tell, seen_by(config, fit_on))
    done = store.finished(workspace, inputs)
    if done is not None:
        journal.clear()  # a run that was killed between its record and this line
        log(f"noise {inputs[:16]} is there already")
        _show(done)
        return cached(done)
    own = Folder(config.workspace)
    with failures.kept(own, "noise", inputs[:16]), doubted_when_changed(own):
        record, tensors = _fit(config, fit_on, size, key, inputs, journal)
        store.save(workspace, record, tensors)
    journal.clear()
    _show(record)
    return record


def _fit(
    config: ProtectConfig, fit_on: Together, size: int, key: BucketKey, inputs: str, journal: store.StoredJournal
) -> tuple[NoiseRecord, bytes]:
    """The record of a fit, and its tensors as they are stored."""
    device = pick_device(config.device)
    started = time.perf_counter()
    with gpu_gate(device.type):
        _check_memory(config, fit_on, size, device)
        data = fit_on.load(size, wanted_samples(config.method), key, device)
        progress.start("fit", getattr(config.method, "max_rounds", 0), "rounds")
        spec = NoiseSpec(config.method, config.budget, config.application, key)
        fitted = methods.fit(spec, data, journal)
        progress.finish("fit")
    if fitted.released_error is not None:
        log(f"noise as it is released: error {fitted.released_error:.3f} (the rounds tell of noise that never is)")
    tensors = store.encode(fitted.tensors)
    record = NoiseRecord(
        inputs=inputs,
        method=config.method,
        budget=config.budget,
        application=config.application,
        class_names=fit_on.class_names,
        dataset=digest(*(each.digest for each in fit_on.datasets)),
        key_fingerprint=key.fingerprint,
        working_size=size,
        samples=len(data.images),
        rounds=_rounds(fitted),
        kept_round=fitted.kept_round,
        stopped=fitted.stopped,
        released_error=fitted.released_error,
        resumed=journal.went_on(),
        precision="bf16" if precision(device) == "bf16" else "fp32",
        device=device_kind(device),
        seconds=time.perf_counter() - started,
        tensors_bytes=len(tensors),
        tensors_sha256=sha256(tensors),
    )
    return record, tensors


def _check_memory(config: ProtectConfig, fit_on: Together, size: int, device: torch.device) -> None:
    method = config.method
    count = fit_on.count(wanted_samples(method))
    needed = memory.needed(method, count, size, len(fit_on.class_names))
    free = free_memory(device)
    there = "" if free is None else f" of {memory.gigabytes(free)} that are free"
    told = f"the fit sees {count} pictures and takes about {memory.gigabytes(needed)} of memory{there}"
    if count:
        log(told)
        progress.say(f"fit: {told}")
    memory.check(needed, free, method)


def _show(record: NoiseRecord) -> None:
    """Show the rounds of a fit, and say loudly when it ended without reaching its target."""
    noise = f"{record.method.kind} noise, {record.method.form}, {record.budget.epsilon}/255: {record.stopped}"
    artifacts.table("rounds", shown.rounds(record), f"The fit of {noise}")
    if not record.converged:
        error = "" if record.error is None else f" with {100 * record.error:.1f} % error"
        warn(f"the fit ended {record.stopped}{error}: its noise protects less than this method can")


def _tell(one: Round) -> None:
    note = f"error {one.error:.3f} loss {one.loss:.3f}"
    rate = one.image_steps / max(one.seconds, 1e-9)
    log(f"round {one.round}: {note}, {one.seconds:.1f} s, {one.image_steps} image-steps ({rate:.0f}/s)")
    progress.advance("fit", 1, note, one.image_steps)


def _rounds(fitted: Fitted) -> tuple[FitRound, ...]:
    return tuple(FitRound(**asdict(one)) for one in fitted.rounds)
