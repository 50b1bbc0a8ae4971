"""Class-wise noise recovered from stored bytes: the very noise that was laid on, or a refusal."""

import pytest
import torch

from infra.errors import ConfigurationError, DataError
from infra.storage import Folder
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.fitted import NoiseRecord
from schemas.noise import Application, NoiseBudget, Placement, RandomNoise
from tasks.evaluate import originals, recovery
from tasks.noise import store
from tests.tasks.rewrite.helpers import CLASS_WISE, config_of, files, folder_source, protect_all

RANDOM = RandomNoise(form="class-wise")


@pytest.fixture(autouse=True)
def nothing_kept():
    recovery.forget()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Twelve pictures of each of two classes, 8 px."""
    return folder_source(tmp_path_factory.mktemp("originals") / "in", per_class=12)


def recovered(place, source, method=RANDOM, **changes):
    """What the bytes of a copy give, and the job that made it."""
    job = config_of(place, source, method, **changes)
    protect_all(job)
    return recovery.recovered(job.destination, SourceSpec(url=str(source))), job


def laid_on(job):
    """The noise that a job kept in its workspace, int16 [K, S, S, 3]."""
    workspace = Folder(job.workspace)
    (name,) = (name for name in files(job.workspace) if name.startswith("noise/") and name.endswith("record.json"))
    return store.load(workspace, workspace.load(name, NoiseRecord))["noise"][0].permute(0, 2, 3, 1).to(torch.int16)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"budget": NoiseBudget(epsilon=1)},
        {"budget": NoiseBudget(norm="l2", epsilon=60)},
        {"coverage": Coverage(fraction=0.5)},
        {"method": CLASS_WISE},
    ],
    ids=["plain", "one step", "l2", "half of the samples", "error-minimizing"],
)
def test_it_is_the_noise_that_was_laid_on(tmp_path, source, changes):
    found, job = recovered(tmp_path, source, **changes)
    assert found.known.tolist() == [True, True]
    assert torch.equal(found.noise, laid_on(job))


def test_a_patch_at_a_fixed_place_is_noise_like_any_other(tmp_path, source):
    found, job = recovered(tmp_path, source, application=Application(placement=Placement(patch=4, place="centre")))
    assert torch.equal(found.noise[:, 2:6, 2:6], laid_on(job))
    assert int((found.noise != 0).sum()) == int((laid_on(job) != 0).sum())


def test_a_class_without_protected_pictures_has_none(tmp_path, source):
    found, job = recovered(tmp_path, source, coverage=Coverage(classes=("dog",)))
    assert found.known.tolist() == [False, True]
    assert torch.equal(found.noise[1], laid_on(job)[1])
    assert not found.noise[0].any()


REFUSED = {
    "sample-wise": {"method": RandomNoise(form="sample-wise")},
    "patches at random places": {"application": Application(placement=Placement(patch=4))},
    "two sets": {"application": Application(mixture="two-sets")},
    "mixed with uniform noise": {"application": Application(mixture="with-uniform")},
}


@pytest.mark.parametrize("kind", REFUSED)
def test_noise_that_is_not_one_a_class_is_refused(tmp_path, source, kind):
    with pytest.raises(ConfigurationError, match="can't give the trigger of a backdoor test: one noise a class ex"):
        recovered(tmp_path, source, **REFUSED[kind])


def test_pictures_of_the_most_common_size_count(tmp_path):
    source = folder_source(tmp_path / "in", per_class=9, side=12)
    folder_source(source, per_class=4, side=8, first=20)
    found, job = recovered(tmp_path, source, RANDOM.model_copy(update={"working_size": 12}))
    assert torch.equal(found.noise, laid_on(job))


def test_of_each_class_a_bounded_number_of_pictures_is_looked_at(tmp_path, source, monkeypatch):
    seen = []
    triggers = recovery.triggers.triggers
    monkeypatch.setattr(recovery, "MOST", 3)
    monkeypatch.setattr(recovery, "_FEWEST", 1)
    monkeypatch.setattr(recovery.triggers, "triggers", lambda *args: seen.append(args) or triggers(*args))
    found, job = recovered(tmp_path, source)
    ((_, _, labels, _),) = seen
    assert torch.bincount(labels).tolist() == [3, 3]
    assert torch.equal(found.noise, laid_on(job))


def test_it_is_worked_out_once_until_it_is_forgotten(tmp_path, source):
    first, job = recovered(tmp_path, source)
    clean = SourceSpec(url=str(source))
    protect_all(job.model_copy(update={"budget": NoiseBudget(epsilon=16)}))
    assert recovery.recovered(job.destination, clean) is first
    recovery.forget()
    assert recovery.recovered(job.destination, clean).digest() != first.digest()


def test_a_source_that_it_was_not_made_from_is_refused(tmp_path, source):
    _, job = recovered(tmp_path / "copy", source)
    other = folder_source(tmp_path / "other", per_class=11)
    recovery.forget()
    with pytest.raises(DataError, match=r"give the source that the copy was made from|has no shard"):
        recovery.recovered(job.destination, SourceSpec(url=str(other), shard_size=5))


def test_no_more_shards_are_read_than_it_takes(tmp_path, source, monkeypatch):
    _, job = recovered(tmp_path, source)
    read = []
    pairs = originals.Both.pairs
    monkeypatch.setattr(originals.Both, "pairs", lambda both, shard: read.append(shard) or pairs(both, shard))
    clean = SourceSpec(url=str(source), shard_size=5)
    recovery.forget()
    whole = recovery.recovered(job.destination, clean)
    assert len(read) == 5
    read.clear()
    recovery.forget()
    monkeypatch.setattr(recovery, "MOST", 1)
    monkeypatch.setattr(recovery, "_FEWEST", 1)
    assert torch.equal(recovery.recovered(job.destination, clean).noise, whole.noise)
    assert len(read) < 5
