"""How a study makes noise: by the product's two verbs, remembered by everything that shapes it."""

import fcntl
import json
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.studies.lab import CACHE, Made, Set, write
from infra.keys import BucketKey
from schemas.base import digest
from schemas.coverage import Coverage
from schemas.noise import Application, ErrorMinimizing, NoiseBudget, NoiseMethod
from tasks.nn.batches import FitData
from tasks.noise import method as methods
from tasks.noise.fitted import Batch, Fitted, NoiseSource, NoiseSpec
from tasks.noise.journal import Unkept
from tasks.rewrite.coverage import covered

KEY = BucketKey(b"the key of the studies")
OTHER_KEYS = (BucketKey(b"a second key of the studies"), BucketKey(b"a third key of the studies"))
CPU = torch.device("cpu")
LINF8 = NoiseBudget()
WHOLE = Application()
ALL = Coverage()


@dataclass(frozen=True)
class Protection:
    """What noise a cell asks for. `classes` maps a private class to the class of `fit_on` that makes its noise."""

    method: NoiseMethod
    budget: NoiseBudget = LINF8
    application: Application = WHOLE
    coverage: Coverage = ALL
    key: BucketKey = KEY


def protect(
    wanted: Protection, data: Set, fit_on: Set | None = None, classes: Callable[[Tensor], Tensor] | None = None
) -> Made:
    """`data` under noise fitted on `fit_on` (default: itself), for the covered samples."""
    noise, notes = _noise(wanted, data, fit_on or data, classes or (lambda labels: labels))
    names = [data.classes[label] for label in data.labels.tolist()]
    pairs = zip(data.keys, names, strict=True)
    chosen = torch.tensor([covered(wanted.coverage, key, name, wanted.key) for key, name in pairs])
    changed = (data.images.int() + noise.int()).clamp(0, 255).to(torch.uint8)
    images = torch.where(chosen.view(-1, 1, 1, 1), changed, data.images)
    notes = {**notes, "protected": int(chosen.sum()), "largest": int((images.int() - data.images.int()).abs().max())}
    return Made(Set(images, data.labels, data.keys, data.classes), notes)


def _noise(
    wanted: Protection, data: Set, fit_on: Set, classes: Callable[[Tensor], Tensor]
) -> tuple[Tensor, dict[str, Any]]:
    version = methods.module_of(wanted.method.kind).VERSION
    spec = [wanted.method, wanted.budget, wanted.application, wanted.key.fingerprint]
    labels = classes(data.labels)
    inputs = digest(version, *spec, [data.digest(), fit_on.digest(), labels.tolist()])
    tensors, notes = CACHE / "noise" / f"{inputs[:32]}.safetensors", CACHE / "noise" / f"{inputs[:32]}.json"
    with _alone(inputs):
        if not notes.exists():
            noise, told = _make(wanted, data, fit_on, labels)
            tensors.parent.mkdir(parents=True, exist_ok=True)
            save_file({"noise": noise.contiguous()}, tensors)
            write(notes, told)
        return load_file(tensors)["noise"], json.loads(notes.read_text())


def _make(wanted: Protection, data: Set, fit_on: Set, labels: Tensor) -> tuple[Tensor, dict[str, Any]]:
    spec = NoiseSpec(wanted.method, wanted.budget, wanted.application, wanted.key)
    tensors, notes = _fit(wanted, spec, fit_on)
    maker = methods.perturber(NoiseSource(spec, tensors, len(fit_on.classes), fit_on.images.shape[1], CPU))
    started = time.perf_counter()
    parts = [
        maker.noise(Batch(data.images[i : i + 128], labels[i : i + 128], data.keys[i : i + 128]))
        for i in range(0, len(data.images), 128)
    ]
    return torch.cat(parts), notes | {"perturb_seconds": round(time.perf_counter() - started, 1)}


def _fit(wanted: Protection, spec: NoiseSpec, fit_on: Set) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The fit, remembered by what shapes it: how a picture is perturbed afterwards doesn't."""
    method = wanted.method
    two_phase = isinstance(method, ErrorMinimizing) and method.form == "sample-wise" and method.procedure == "two-phase"
    shapes = (
        method.model_copy(update={"perturb_steps": 1, "perturb_alpha": 1.0, "preset": "standard"})
        if two_phase
        else method
    )
    application = wanted.application.placement if two_phase else wanted.application
    version = methods.module_of(method.kind).VERSION
    inputs = digest(version, shapes, wanted.budget, application, [wanted.key.fingerprint, fit_on.digest()])
    tensors, notes = CACHE / "fits" / f"{inputs[:32]}.safetensors", CACHE / "fits" / f"{inputs[:32]}.json"
    with _alone(inputs):
        if not notes.exists():
            started = time.perf_counter()
            chosen = _sampled(fit_on, getattr(method, "fit_samples", None), method)
            fit_data = FitData(chosen.images, chosen.labels, chosen.keys, len(fit_on.classes))
            fitted = methods.fit(spec, fit_data, Unkept())
            tensors.parent.mkdir(parents=True, exist_ok=True)
            save_file({name: tensor.contiguous() for name, tensor in fitted.tensors.items()}, tensors)
            write(notes, _told(fitted, fit_data, time.perf_counter() - started))
        return load_file(tensors), json.loads(notes.read_text())


def _sampled(fit_on: Set, samples: int | None, method: NoiseMethod) -> Set:
    """The first so many of each class, as the product samples: all for joint noise."""
    if samples is None or samples >= len(fit_on.labels) or getattr(method, "procedure", None) == "joint":
        return fit_on
    share = samples / len(fit_on.labels)
    parts = []
    for label in torch.unique(fit_on.labels):
        members = (fit_on.labels == label).nonzero().flatten()
        parts.append(members[: max(1, round(share * len(members)))])
    return fit_on.part(torch.cat(parts).sort().values)


def _told(fitted: Fitted, data: FitData, fit_seconds: float) -> dict[str, Any]:
    errors = {one.round: one.error for one in fitted.rounds}
    return {
        "fit_samples": len(data.images),
        "rounds": len(fitted.rounds),
        "kept_round": fitted.kept_round,
        "error": errors.get(fitted.kept_round or 0),
        "errors": [round(one.error, 4) for one in fitted.rounds],
        "stopped": fitted.stopped,
        "image_steps": sum(one.image_steps for one in fitted.rounds),
        "fit_seconds": round(fit_seconds, 1),
    }


@contextmanager
def _alone(name: str):
    """One process makes a noise; the others wait for it."""
    lock = CACHE / "locks" / name[:32]
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def clean_part(data: Set, fraction: float) -> Made:
    """What is left of the pictures when a share of them is protected: trained on alone."""
    left = [not covered(Coverage(fraction=fraction), key, "", KEY) for key in data.keys]
    part = data.part(torch.tensor(left).nonzero().flatten())
    return Made(part, {"samples": len(part.labels)})
