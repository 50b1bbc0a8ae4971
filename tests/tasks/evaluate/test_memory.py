"""Whether pictures fit in memory is decided once, by what is free where they have to lie."""

import pytest
import torch

from infra import machine
from infra.errors import ConfigurationError
from schemas.dataset import SourceSpec
from schemas.evaluate import Beside, EvaluateConfig
from tasks.evaluate import memory, sets
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all

SIDE, SAMPLES = 8, 12
ONE = SAMPLES * SIDE * SIDE * 3


@pytest.fixture(autouse=True)
def nothing_kept():
    sets.forget()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("memory")
    protect_all(config_of(root, folder_source(root / "in")))
    return root


def config_for(place, **fields):
    spec = SourceSpec(url=str(place / "in"))
    given = {"protected": (str(place / "out"),), "clean": spec, "test": spec, "workspace": "w", "device": "cpu"}
    return EvaluateConfig(**{**given, **fields})


@pytest.fixture
def free(monkeypatch):
    """Sets how many bytes are free on the host."""
    return lambda count: monkeypatch.setattr(machine, "free_memory", lambda: count)


# The originals, the copy, one set being loaded and those that are treated, in half of what is free.
LEAST = 2 * (3 + memory.TREATED) * ONE


@pytest.mark.parametrize(("count", "streamed"), [(LEAST, False), (LEAST - 1, True), (0, True), (None, False)])
def test_they_are_streamed_when_they_do_not_fit(place, free, count, streamed):
    free(count)
    assert memory.streams(config_for(place), SIDE) is streamed


def test_larger_pictures_and_more_copies_need_more(place, free):
    free(LEAST)
    assert memory.streams(config_for(place), SIDE + 1)
    sets.forget()
    assert memory.streams(config_for(place, protected=(str(place / "out"),) * 2), SIDE)


def test_it_is_decided_once_for_an_evaluation(place, free):
    config = config_for(place)
    free(LEAST)
    assert not memory.streams(config, SIDE)
    free(0)
    assert not memory.streams(config, SIDE)
    sets.forget()
    assert memory.streams(config, SIDE)


@pytest.mark.parametrize(("asked", "streamed"), [("resident", False), ("streamed", True)])
def test_what_is_asked_for_is_done(place, free, asked, streamed):
    for count in (0, 1 << 60):
        free(count)
        assert memory.streams(config_for(place, memory=asked), SIDE) is streamed


def test_on_a_gpu_they_have_to_fit_there_too(place, free, monkeypatch):
    free(1 << 60)
    monkeypatch.setattr(memory, "pick_device", lambda name: torch.device("cuda"))
    for count, streamed in ((LEAST - 4 * ONE, False), (LEAST - 4 * ONE - 1, True)):
        monkeypatch.setattr(memory, "free_memory", lambda device, count=count: count)
        sets.forget()
        assert memory.streams(config_for(place), SIDE) is streamed


def test_two_datasets_beside_each_other_are_loaded_or_refused(place, free):
    free(0)
    beside = Beside(train=SourceSpec(url="digits"), test=SourceSpec(url="digits"))
    assert not memory.streams(config_for(place, beside=beside), SIDE)
    with pytest.raises(ConfigurationError, match="can't be streamed"):
        memory.streams(config_for(place, beside=beside, memory="streamed"), SIDE)
