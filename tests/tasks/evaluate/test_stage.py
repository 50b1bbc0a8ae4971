"""Runs of an evaluation: copies that differ in their variant alone are told apart, and every kind has its row."""

import json

import pytest

from infra.storage import Folder
from schemas.countermeasures import Dilution, Grayscale, Jpeg, Mixup, NoCountermeasure, OrthogonalProjection
from schemas.coverage import Coverage
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig, VictimRun
from schemas.noise import Application
from schemas.recipe import TinyRecipe
from schemas.victims import ResNet18Victim, TinyVictim
from tasks.evaluate import measure, sets, stage
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


def test_diluted_clean_pictures_are_learnt_once_under_every_name(config, monkeypatch):
    measures = (Dilution(percent=10), NoCountermeasure(), Dilution(percent=50), Grayscale())
    asked = config.model_copy(update={"protected": config.protected[:1], "countermeasures": measures})
    trained = []
    run = stage.victim.run
    monkeypatch.setattr(stage.victim, "run", lambda *args: trained.append(args) or run(*args))
    clean = [run for run in train(asked) if run.method == "none"]
    assert len(trained) == 2 + 4
    assert [run.countermeasure for run in clean] == [each.name for each in measures]
    assert len({run.inputs for run in clean}) == 2
    assert len({(run.inputs, run.curve) for run in clean}) == 2
    assert len(summarise(frame(train(asked)))) == 8
    assert len(trained) == 6


MEASURES = (NoCountermeasure(), Jpeg(quality=30), OrthogonalProjection(epochs=2), Dilution(percent=50), Mixup())


@pytest.mark.parametrize("memory", ["resident", "streamed"])
def test_every_kind_of_countermeasure_and_every_part_has_its_row(tmp_path, memory):
    source = folder_source(tmp_path / "in", per_class=30)
    job = config_of(tmp_path, source, coverage=Coverage(fraction=0.5))
    protect_all(job)
    asked = EvaluateConfig(
        protected=(job.destination,),
        clean=SourceSpec(url=str(source)),
        test=SourceSpec(url=str(source)),
        workspace=str(tmp_path / "evaluation"),
        victims=(TinyVictim(widths=(4, 8, 8, 8), recipe=RECIPE),),
        countermeasures=MEASURES,
        parts=("all", "protected", "clean"),
        seeds=1,
        device="cpu",
        memory=memory,
    )
    chosen = cells(asked, frozenset(filter(sets.is_parted, asked.protected)))
    runs = [value_of(train_victim.fn(cell, asked)) for cell in chosen]
    assert len(runs) == len(MEASURES) * 4
    plain = {run.inputs for run in runs if run.method == "none" and run.countermeasure in ("none", "dilution-50")}
    assert len(plain) == 1  # there is nothing to put back in clean pictures
    assert len({run.inputs for run in runs}) == len(runs) - 1
    for cell, run in zip(chosen, runs, strict=True):
        assert (run.part, run.countermeasure) == (cell.part, cell.countermeasure.name)
        assert run.samples == 60 if cell.part == "all" else 16 < run.samples < 44
    parts = {part: next(run.samples for run in runs if run.part == part) for part in ("protected", "clean")}
    assert sum(parts.values()) == 60
    again = asked.model_copy(update={"workspace": str(tmp_path / "again")})
    sets.forget()
    for cell, run in list(zip(chosen, runs, strict=True))[1::4]:
        repeated = value_of(train_victim.fn(cell, again))
        assert (repeated.curve, repeated.confusion, repeated.inputs) == (run.curve, run.confusion, run.inputs)
