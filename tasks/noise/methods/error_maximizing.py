"""Error-maximizing noise: PGD against a normally trained source model, the adversarial baseline of the paper.

Sample-wise, every picture takes PGD steps of its own against the trained model, shard by shard. Class-wise, one
universal perturbation a class is made over passes through a subset (Huang et al. 2021, section 4).
"""

import math
import time
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from infra.errors import DataError
from tasks.nn import augment, networks
from tasks.nn.batches import FitData, Resident
from tasks.nn.fold import fold
from tasks.nn.train import Training
from tasks.noise import memory
from tasks.noise.class_sets import ClassSets, fit_sets
from tasks.noise.class_wise import ClassWise, stratified
from tasks.noise.fitted import Fitted, NoiseSource, NoiseSpec, Round
from tasks.noise.frozen import Frozen, released, stored
from tasks.noise.journal import Journal
from tasks.noise.measure import measure
from tasks.noise.method import MakesNoise
from tasks.noise.pgd import Solver, ascent
from tasks.noise.placement import side_of
from tasks.noise.tensors import copied, under

if TYPE_CHECKING:
    from schemas.noise import ErrorMaximizing

VERSION = 1


def fit(spec: NoiseSpec, data: FitData, journal: Journal) -> Fitted:
    """Train a source model on clean pictures; class-wise, then make one universal perturbation a class.

    Tensors of the result. sample-wise: the model's state, each name after `model.`; its one round tells the error
    on a subset, of the noise as it is released. class-wise: `noise` int8 [sets, classes, 3, side, side], of the last
    pass. Raises ConfigurationError for too large a patch, and DataError when the source model's training diverges.
    """
    method = _method(spec)
    side_of(spec.application.placement, data.size)  # it refuses before a model is trained in vain
    model = _trained(spec, data, journal)
    if method.form == "class-wise":
        frozen, solver = fold(model), ascent(spec.budget, method.alpha, method.steps)
        return fit_sets(spec, journal, lambda name, part: _universal(spec, data, solver, frozen, part, name), aim=1.0)
    tensors = stored(copied(model.state_dict()))
    tried = _try_out(spec, data, tensors)
    journal.heard(tried)
    return Fitted(tensors, (tried,), 1, "at-lambda" if tried.error >= method.stop_error else "at-cap")


def perturber(source: NoiseSource) -> MakesNoise:
    """What makes the noise of samples from what was fitted."""
    method = _method(source.spec)
    if method.form == "class-wise":
        return ClassSets(source)
    return Frozen(method, source, ascent(source.spec.budget, method.alpha, method.steps))


def wanted_samples(method: "ErrorMaximizing") -> int:
    """See MethodModule."""
    return method.fit_samples


def fit_bytes(method: "ErrorMaximizing", samples: int, size: int, classes: int) -> int:
    """See MethodModule."""
    batch = min(samples, max(method.batch_size, method.training.batch_size))
    if method.form == "class-wise":
        noise = memory.class_noise(classes, size, batch)
    else:
        noise = memory.trial(max(classes, round(method.subset * samples)), size)  # each class has one picture in it
    network = memory.network(method.source_model, method.widths, classes, size, batch)
    return memory.pictures(samples, size) + noise + network


def image_steps(method: "ErrorMaximizing", samples: int) -> int:
    """See MethodModule."""
    passes = method.max_rounds if method.form == "class-wise" else 1
    return method.training.epochs * samples + round(passes * method.steps * method.subset * samples)


def shortened(method: "ErrorMaximizing") -> "ErrorMaximizing":
    """See MethodModule."""
    short = method.training.model_copy(update={"epochs": 1})
    return method.model_copy(update={"training": short, "max_rounds": 1})


def uses_network(method: "ErrorMaximizing") -> bool:
    """See MethodModule."""
    return method.form == "sample-wise"


def _trained(spec: NoiseSpec, data: FitData, journal: Journal) -> nn.Module:
    """The source model after ordinary training; from the journal when it was trained before."""
    method, recipe = _method(spec), _method(spec).training
    seed = spec.key.seed("error-maximizing", "source-model")
    model = networks.build(method.source_model, data.classes, data.size, seed, method.widths).to(data.images.device)
    part = journal.chapter("source-model")
    saved = part.load(stored(model.state_dict()).keys())
    if saved is not None:
        model.load_state_dict(under("model", saved[0]))
        return model
    run = Training(model, Resident(data.images, data.labels), recipe, augment.of(recipe), seed)
    for epoch in run.epochs():
        if not math.isfinite(epoch.loss):
            problem = f"the source model's loss is not a number in epoch {epoch.epoch}"
            raise DataError(problem, "give it a smaller learning rate in method.training.lr")
    part.save(stored(copied(model.state_dict())), {})
    return model


def _universal(spec: NoiseSpec, data: FitData, solver: Solver, model: nn.Module, journal: Journal, name: str) -> Fitted:
    """Passes over the subset until the error there is at the target or the cap is reached."""
    method = _method(spec)
    state = ClassWise(method, spec, solver, data, spec.key.seed("error-maximizing", "class-wise", name))
    rounds: list[Round] = []
    saved = journal.load(state.state().keys())
    if saved is not None:
        state.restore(saved[0])
        rounds = [Round(**one) for one in saved[1]["rounds"]]
    while len(rounds) < method.max_rounds and not (rounds and rounds[-1].error >= method.stop_error):
        started = time.perf_counter()
        passes = state.improve(model)
        error, loss = measure(model, data, state.look_up, method.batch_size)
        rounds.append(Round(len(rounds) + 1, error, loss, time.perf_counter() - started, passes))
        journal.save(state.state(), {"rounds": [vars(one) for one in rounds]})
        journal.heard(rounds[-1])
    reached = rounds[-1].error >= method.stop_error
    return Fitted({"noise": state.snapshot()}, tuple(rounds), len(rounds), "at-lambda" if reached else "at-cap")


def _try_out(spec: NoiseSpec, data: FitData, tensors: dict[str, Tensor]) -> Round:
    """The noise of a share of the pictures, to tell what error it brings."""
    method, started = _method(spec), time.perf_counter()
    generator = torch.Generator().manual_seed(spec.key.seed("error-maximizing", "try-out"))
    subset = stratified(data.labels.cpu(), method.subset, generator)
    error, loss = released(method, spec, tensors, data.part(subset))
    return Round(1, error, loss, time.perf_counter() - started, method.steps * len(subset))


def _method(spec: NoiseSpec) -> "ErrorMaximizing":
    return cast("ErrorMaximizing", spec.method)  # the kind found this module
