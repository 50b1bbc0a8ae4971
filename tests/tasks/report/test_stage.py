"""What the report's task adds to the context before it writes."""

import numpy as np
import pytest

from schemas.evaluate import EvaluateConfig
from schemas.noise import RandomNoise
from schemas.recipe import Recipe
from schemas.victims import ResNet18Victim, TinyVictim
from tasks.evaluate import sets
from tasks.report.recipes import side_of
from tasks.report.stage import _pictures, _with_sizes
from tests.tasks.report.helpers import context
from tests.tasks.report.test_covered import DIGITS
from tests.tasks.rewrite.helpers import config_of, protect_all


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """An evaluation of random noise by a victim at the pictures' own size, and by one that scales them."""
    job = config_of(tmp_path_factory.mktemp("job"), DIGITS, RandomNoise())
    protect_all(job)
    return EvaluateConfig(
        protected=(job.destination,),
        clean=DIGITS,
        test=DIGITS,
        workspace=str(tmp_path_factory.mktemp("workspace")),
        victims=(TinyVictim(), ResNet18Victim(recipe=Recipe(family="svhn", size=64))),
    )


def test_the_settings_tell_at_which_size_each_victim_saw_pictures(config):
    asked = config.model_dump(mode="json")
    told = _with_sizes(config, context(settings=asked))
    assert [victim["recipe"]["size"] for victim in told.settings["victims"]] == [32, 64]
    assert side_of(told.settings) == 32
    victims = [{**victim, "recipe": {**victim["recipe"], "size": None}} for victim in told.settings["victims"]]
    unasked = [{**victim, "recipe": {**victim["recipe"], "size": None}} for victim in asked["victims"]]
    assert {**told.settings, "victims": victims} == {**asked, "victims": unasked}


def test_the_pictures_it_shows_are_those_of_the_sets_that_are_not_loaded_for_it(config, monkeypatch):
    clean, stored = sets.clean_set(config, 32), sets.protected_set(config.protected[0], 32)
    places = [int((clean.labels == label).nonzero()[0]) for label in range(8)]

    def refuse(*args):
        raise AssertionError("a whole dataset was loaded")

    monkeypatch.setattr(sets, "_loaded", refuse)
    sets.clean_set.cache_clear()
    ((caption, (before, after)),) = _pictures(config.model_copy(update={"memory": "streamed"})).items()
    assert caption == sets.caption(config.protected[0])
    assert np.array_equal(before, clean.images[places].numpy())
    assert np.array_equal(after, stored.images[places].numpy())
