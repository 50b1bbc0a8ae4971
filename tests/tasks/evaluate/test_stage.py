"""Copies that differ in their variant alone: trained on one by one, and told apart on every row."""

import json

import pytest

from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig, ResNet18Victim, TinyVictim, VictimRun
from schemas.noise import Application
from schemas.recipe import TinyRecipe
from tasks.evaluate import measure, sets
from tasks.evaluate.cells import cells
from tasks.evaluate.stage import measure_copy, train_victim
from tasks.report.frame import frame
from tasks.report.summary import summarise
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all, value_of

RECIPE = TinyRecipe(epochs=1, batch_size=16)


@pytest.fixture(autouse=True)
def nothing_kept():
    sets.forget()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two copies of one source that differ in the arithmetic alone."""
    root = tmp_path_factory.mktemp("copies")
    source = folder_source(root / "in", per_class=8)
    for arithmetic in ("corrected", "as-published"):
        protect_all(config_of(root / arithmetic, source, application=Application(arithmetic=arithmetic)))
    return root


@pytest.fixture
def config(place, tmp_path):
    return EvaluateConfig(
        protected=tuple(str(place / name / "out") for name in ("corrected", "as-published")),
        clean=SourceSpec(url=str(place / "in")),
        test=SourceSpec(url=str(place / "in")),
        workspace=str(tmp_path / "private"),
        victims=(TinyVictim(widths=(4, 8, 8, 8), recipe=RECIPE),),
        seeds=1,
        device="cpu",
    )


def train(config):
    return [value_of(train_victim.fn(cell, config)) for cell in cells(config)]


def test_copies_that_differ_in_their_variant_alone_are_told_apart(config):
    copies = [measure_copy.fn(copy, config) for copy in config.protected]
    measure.require_distinct(copies)
    runs = train(config)
    assert [(run.method, run.variant) for run in runs] == [("none", ""), ("random", ""), ("random", "as published")]
    assert len({run.inputs for run in runs}) == 3
    assert list(summarise(frame(runs))["variant"]) == ["", "", "as published"]


def test_a_run_that_is_done_is_found_under_its_variant(config):
    first = train(config)
    assert train(config) == first


def test_a_run_kept_before_there_were_variants_is_found_again(config):
    first = train(config)
    for name in Folder(config.workspace).list():
        path = f"{config.workspace}/{name}"
        with open(path) as file:
            record = json.load(file)
        del record["variant"]
        with open(path, "w") as file:
            json.dump(record, file)
        assert VictimRun.model_validate(record).variant == ""
    assert train(config) == first


def test_a_narrow_victim_goes_by_its_name(config):
    narrow = config.model_copy(update={"victims": (ResNet18Victim(width=8, recipe=RECIPE),)})
    (cell, *_) = cells(narrow)
    assert value_of(train_victim.fn(cell, narrow)).victim == "resnet18-w8"
