"""What the report's task adds to the context before it writes."""

import pytest

from schemas.evaluate import EvaluateConfig
from schemas.noise import RandomNoise
from schemas.recipe import Recipe
from schemas.victims import ResNet18Victim, TinyVictim
from tasks.report.recipes import side_of
from tasks.report.stage import _with_sizes
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
