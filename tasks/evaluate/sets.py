"""The sets of pictures of an evaluation, each loaded once in a process and shared by its runs."""

import numpy as np
import torch
from torch import Tensor

from infra.caching import forget as forget_all
from infra.caching import shared
from infra.errors import DataError
from infra.storage import Folder
from schemas.base import digest
from schemas.countermeasures import Countermeasure
from schemas.dataset import SourceSpec
from schemas.evaluate import Beside, EvaluateConfig, Part
from schemas.recipe import Recipe
from tasks.evaluate import data, memory, originals, shard_sets, treatment
from tasks.evaluate.data import Pictures
from tasks.nn.batches import Resident
from tasks.rewrite.audit import clean_spec, manifest_of

_loaded = shared(8)(data.load)
_typical_side = shared(8)(data.typical_side)


def forget() -> None:
    """Let go of all pictures: since the last evaluation of this process, others may lie in the same places."""
    forget_all(_loaded, _typical_side, clean_set, test_set, _names_digest, _derived, treated)
    forget_all(memory.fits, shard_sets.both, shard_sets.changed)


def size_of(config: EvaluateConfig, recipe: Recipe) -> int:
    """Side in pixels at which a victim sees pictures: the recipe's, else the clean pictures' own."""
    return recipe.size or _typical_side(_clean_spec(config, config.protected[0]))


def protected_set(copy: str, size: int) -> Pictures:
    """The pictures of one protected copy, as stored."""
    return _loaded(_stored_spec(copy), size)


@shared(8)
def clean_set(config: EvaluateConfig, size: int) -> Pictures:
    """The originals of exactly the protected samples. Raises DataError when one is missing, or copies differ."""
    copy = config.protected[0]
    for other in config.protected[1:]:
        if _names_digest(other) != _names_digest(copy):
            problem = f"{copy} and {other} do not hold the same samples"
            raise DataError(problem, "evaluate copies together that were made from one source and split")
    protected = protected_set(copy, size)
    return data.select(_loaded(_clean_spec(config, copy), size, protected.classes), protected.names)


@shared(64)
def _names_digest(copy: str) -> str:
    """Tells a copy's samples, of whatever pixels: there may be more copies than fit in memory together."""
    return digest(list(data.names(_stored_spec(copy))))


def training_set(config: EvaluateConfig, copy: str | None, part: Part, clean_share: float, size: int) -> Pictures:
    """What a victim is trained on: a copy (None: the originals), or a part of it, beside another dataset if asked.

    With a `clean_share` that share of these samples, the same ones at every call, is put back to the original. Runs
    that ask for the same share the pictures. Raises DataError when there is none.
    """
    if copy is None and config.beside is None:
        return clean_set(config, size)
    if part == "all" and not clean_share and config.beside is None and copy is not None:
        return protected_set(copy, size)
    return _derived(config, copy, part, clean_share, size)


@shared(memory.TREATED)
def treated(
    config: EvaluateConfig,
    copy: str | None,
    part: Part,
    clean_share: float,
    size: int,
    countermeasure: Countermeasure,
    device: torch.device,
) -> Tensor:
    """The pictures of a training set on a device, after what a countermeasure does to each of them: its seeds share it.

    uint8 [N, S, S, 3]. For countermeasures that do something to pictures and learn nothing first.
    """
    pictures = training_set(config, copy, part, clean_share, size)
    does = treatment.treatment_of(countermeasure).pictures
    found = Resident(pictures.images.to(device), pictures.labels.to(device))
    return (found.map(does) if does else found).images


@shared(4)
def _derived(config: EvaluateConfig, copy: str | None, part: Part, clean_share: float, size: int) -> Pictures:
    before = clean_set(config, size)
    chosen = before if copy is None else protected_set(copy, size)
    if part != "all" and copy is not None:
        flags = shard_sets.changed(copy, config.clean)
        wanted = torch.from_numpy(np.concatenate(list(flags.values()))) == (part == "protected")
        chosen, before = data.subset(chosen, wanted), data.subset(before, wanted)
        if not len(chosen.images):
            raise shard_sets.no_pictures(copy, part)
    if clean_share:
        chosen = data.diluted(chosen, before, clean_share)
    if config.beside is None:
        return chosen
    if config.beside.classes is not None:
        chosen = data.of_classes(chosen, config.beside.classes)
    return data.beside(chosen, beside_sets(config.beside, size)[0])


@shared(8)
def test_set(config: EvaluateConfig, size: int) -> Pictures:
    """The clean test pictures, classes in the order of the training pictures.

    Raises DataError for one of a class that the training pictures lack, of the copies or of what is beside them, and
    when more of them can't be used than their source lets pass.
    """
    classes = manifest_of(Folder(config.protected[0])).dataset.class_names
    ours = data.require_good(config.test, _loaded(config.test, size, classes))
    if config.beside is None:
        return ours
    if config.beside.classes is not None:
        ours = data.of_classes(ours, config.beside.classes)
    return data.beside(ours, beside_sets(config.beside, size)[1])


def remarks(config: EvaluateConfig) -> tuple[str, ...]:
    """What a report has to say of the pictures: how many test pictures it does without."""
    size = size_of(config, config.victims[0].recipe)
    found = test_set(config, size)
    if not found.left_out:
        return ()
    total = len(found.images) + found.left_out
    return (f"{found.left_out} of {total} test pictures can't be used (no picture, or no label) and are left out.",)


def beside_sets(beside: Beside, size: int) -> tuple[Pictures, Pictures]:
    """Training and test pictures of the dataset that is learnt beside a copy. Raises DataError as `test_set` does."""
    training = data.require_good(beside.train, _loaded(beside.train, size))
    return training, data.require_good(beside.test, _loaded(beside.test, size, training.classes))


def _stored_spec(copy: str) -> SourceSpec:
    return originals.stored_spec(copy, manifest_of(Folder(copy)).dataset)


def _clean_spec(config: EvaluateConfig, copy: str) -> SourceSpec:
    return clean_spec(config.clean, manifest_of(Folder(copy)))


def caption(copy: str) -> str:
    """How a protected copy is called in a report, such as 'error-minimizing, class-wise, 8/255, patch 16'."""
    protection = manifest_of(Folder(copy)).protection
    part = "" if protection.fraction >= 1 else f"on {100 * protection.fraction:g} % of the samples"
    names = (protection.method, protection.form, f"{protection.epsilon}/255", protection.variant, part)
    return ", ".join(filter(None, names))


def is_parted(copy: str) -> bool:
    """True for a copy of which some samples carry noise and others don't."""
    manifest = manifest_of(Folder(copy))
    return 0 < manifest.protection.protected < manifest.dataset.samples
