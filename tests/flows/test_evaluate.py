"""The evaluate flow: the whole matrix, every number accounted for, and nothing trained twice."""

import csv
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows import evaluate as flow_module
from flows.evaluate import evaluate
from infra.devices import cores_shared_by, pick_device, slots
from infra.errors import ConfigurationError, DataError
from infra.storage import Folder
from schemas.countermeasures import EarlyStopping, Grayscale, Jpeg, NoCountermeasure
from schemas.dataset import SourceSpec
from schemas.evaluate import Beside, EvaluateConfig, ReportRecord, VictimRun
from schemas.noise import NoiseBudget, RandomNoise
from schemas.recipe import TinyRecipe
from schemas.victims import TinyVictim
from tasks.evaluate import sets, stage
from tasks.evaluate.cells import cells
from tasks.evaluate.kept import KeptRun
from tests.tasks.rewrite.helpers import config_of, folder_source, protect_all

pytestmark = pytest.mark.usefixtures("prefect_server")
CLEAN, TEST = SourceSpec(url="digits", limit=150, shard_size=50), SourceSpec(url="digits", split="test", limit=90)
VICTIM = TinyVictim(widths=(4, 8, 8, 8), recipe=TinyRecipe(epochs=2, batch_size=32, size=16))
MEASURES = (NoCountermeasure(), Grayscale(), Jpeg(quality=10))
NAMES = ("none", "grayscale", "jpeg-10")


def evaluation(copies, workspace, **fields):
    given = {"clean": CLEAN, "test": TEST, "victims": (VICTIM,), "countermeasures": MEASURES, "seeds": 2}
    fixed = {"protected": tuple(copies), "workspace": str(workspace), "device": "cpu"}
    return EvaluateConfig(**{**given, **fixed, **fields})


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Two protected copies of the same digits."""
    found = []
    for form in ("class-wise", "sample-wise"):
        job = config_of(tmp_path_factory.mktemp(form), CLEAN, RandomNoise(form=form))
        protect_all(job)
        found.append(job.destination)
    return found


@pytest.fixture(scope="module")
def finished(copies, tmp_path_factory, prefect_server):
    """An evaluation of both copies, and what it gave."""
    config = evaluation(copies, tmp_path_factory.mktemp("evaluation"))
    return config, evaluate(config)


@pytest.fixture
def no_training(monkeypatch):
    """Whoever trains now has not looked for what is done."""

    def refuse(*args):
        raise AssertionError("trained again")

    monkeypatch.setattr(stage.victim, "run", refuse)


def key_of(run):
    return run.method, run.form, run.countermeasure, run.seed


def test_there_is_a_row_for_every_victim_countermeasure_seed_and_copy_and_for_the_clean_pictures(finished):
    _, result = finished
    forms = [("none", "none"), ("random", "class-wise"), ("random", "sample-wise")]
    expected = {(*form, name, seed) for form in forms for name in NAMES for seed in range(2)}
    assert len(result.runs) == 1 * 3 * 2 * (1 + 2)
    assert {key_of(run) for run in result.runs} == expected
    for run in result.runs:
        assert (run.dataset, run.victim, run.epochs, run.device) == ("digits", VICTIM.name, 2, "cpu")
        assert (run.samples, run.test_samples, len(run.classes)) == (150, 90, 10)
        assert (run.epsilon, run.fraction) == ((0, 0.0) if run.method == "none" else (8, 1.0))
        assert not run.diverged


def test_no_two_runs_were_made_from_the_same_inputs(finished):
    _, result = finished
    assert len({run.inputs for run in result.runs}) == len(result.runs)


def test_confusion_curve_and_accuracies_agree(finished):
    _, result = finished
    for run in result.runs:
        confusion = np.array(run.confusion)
        assert confusion.shape == (10, 10)
        assert confusion.sum() == 90
        assert 100 * confusion.trace() / 90 == pytest.approx(run.test_accuracy)
        assert run.test_accuracy == run.curve[-1].test_accuracy
        assert run.peak_test_accuracy == max(point.test_accuracy for point in run.curve)
        assert [point.epoch for point in run.curve] == [1, 2]


def test_all_runs_are_tested_on_the_same_clean_pictures(finished):
    _, result = finished
    truths = {tuple(np.array(run.confusion).sum(axis=1)) for run in result.runs}
    assert len(truths) == 1


def test_the_files_of_the_report_agree_with_the_runs(finished):
    config, result = finished
    folder = Path(result.report.report).parent
    assert folder.parent == Path(config.workspace) / "reports"
    names = {p.name for p in folder.iterdir()}
    assert {"results.parquet", "results.csv", "report.html", "report.md", "report.json", "figures"} <= names
    table = pd.read_parquet(folder / "results.parquet")
    assert len(table) == result.report.rows == len(result.runs)
    by_key = {key_of(run): run for run in result.runs}
    for row in table.to_dict("records"):
        run = by_key.pop((row["method"], row["form"], row["countermeasure"], row["seed"]))
        assert row["test_accuracy"] == pytest.approx(run.test_accuracy)
        assert row["train_accuracy"] == pytest.approx(run.train_accuracy)
        assert row["inputs"] == run.inputs
    assert by_key == {}
    with (folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(result.runs)
    assert json.loads((folder / "report.json").read_text())["verdict"] == result.report.verdict
    assert result.report.verdict in (folder / "report.md").read_text()


def test_the_report_is_found_again_by_its_marker(finished):
    _, result = finished
    folder = Folder(str(Path(result.report.report).parent))
    assert folder.load("report.json", ReportRecord) == result.report


def test_a_second_run_trains_nothing_and_gives_the_same_rows(finished, no_training, states):
    config, result = finished
    again = evaluate(config)
    assert again.runs == result.runs
    assert states["victims"] == ["Cached"] * len(result.runs)
    assert again.report.report != result.report.report


def test_another_workspace_or_more_seeds_trains_what_is_new_alone(finished, states, monkeypatch):
    config, result = finished
    trained, run = [], stage.victim.run
    monkeypatch.setattr(stage.victim, "run", lambda *a: trained.append(a[4]) or run(*a))
    more = evaluate(config.model_copy(update={"seeds": 3, "countermeasures": (NoCountermeasure(),)}))
    assert trained == [2, 2, 2]
    assert sorted(states["victims"]) == ["Cached"] * 6 + ["Completed"] * 3
    before = {key_of(run): run for run in result.runs}
    assert all(before[key_of(run)] == run for run in more.runs if run.seed < 2)


def test_a_cell_gives_the_same_numbers_alone_as_side_by_side(finished, tmp_path):
    config, result = finished
    by_key = {key_of(run): run for run in result.runs}
    alone = config.model_copy(update={"workspace": str(tmp_path)})
    with cores_shared_by(slots(pick_device("cpu"))):
        for cell in cells(alone)[::5]:
            run = stage.train_victim.fn(cell, alone)
            assert isinstance(run, VictimRun)
            together = by_key.pop(key_of(run))
            assert (run.curve, run.confusion, run.inputs) == (together.curve, together.confusion, together.inputs)


def test_a_copy_that_fails_its_audit_is_refused_before_anything_is_trained(copies, tmp_path, no_training):
    bad = Path(shutil.copytree(copies[0], tmp_path / "bad"))
    shard = bad / "train-000000.tar"
    shard.write_bytes(shard.read_bytes().replace(b"IDAT", b"IDAT"[::-1], 1))
    with pytest.raises(DataError, match=r"bad does not pass its audit .*size or hash differs.*run verify"):
        evaluate(evaluation([str(bad)], tmp_path / "w"))
    assert not (tmp_path / "w").exists()


def test_a_copy_of_other_originals_is_refused(copies, tmp_path, no_training):
    other = folder_source(tmp_path / "other")
    with pytest.raises(DataError, match="does not pass its audit"):
        evaluate(evaluation([copies[0]], tmp_path / "w", clean=SourceSpec(url=str(other))))


def test_a_place_that_is_no_copy_is_refused(tmp_path, no_training):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match=r"has no manifest\.json"):
        evaluate(evaluation([str(tmp_path / "nothing")], tmp_path / "w"))


def test_two_copies_that_a_report_could_not_tell_apart_are_refused(copies, tmp_path, no_training):
    twin = shutil.copytree(copies[0], tmp_path / "twin")
    with pytest.raises(ConfigurationError, match="same method, form, epsilon, fraction and variant"):
        evaluate(evaluation([copies[0], str(twin)], tmp_path / "w"))


def test_test_pictures_of_other_classes_are_refused(copies, tmp_path, no_training):
    other = folder_source(tmp_path / "other", classes=("cat", "dog"))
    config = evaluation([copies[0]], tmp_path / "w", test=SourceSpec(url=str(other)), seeds=1)
    with pytest.raises(DataError, match="has the classes cat, dog, which the other dataset lacks"):
        evaluate(config)


def test_a_victim_that_diverges_is_recorded_and_does_not_stop_the_others(copies, tmp_path, states, monkeypatch):
    wild = VICTIM.model_copy(update={"widths": (4, 8, 8, 4), "recipe": VICTIM.recipe.model_copy(update={"lr": 1e30})})
    config = evaluation(copies[:1], tmp_path / "w", victims=(wild, VICTIM), countermeasures=MEASURES[:1], seeds=1)
    result = evaluate(config)
    assert [run.diverged for run in result.runs] == [True, True, False, False]
    assert [len(run.curve) for run in result.runs] == [1, 1, 2, 2]
    assert all(np.array(run.confusion).sum() == 90 for run in result.runs)
    assert "diverged" in Path(result.report.report).with_suffix(".md").read_text()
    states.clear()
    again = evaluate(config)
    assert states["victims"] == ["Cached"] * 4
    assert [run.diverged for run in again.runs] == [True, True, False, False]
    assert [run.test_accuracy for run in again.runs] == [run.test_accuracy for run in result.runs]


def test_one_failed_victim_fails_the_flow_and_keeps_the_others(copies, tmp_path, monkeypatch):
    run = stage.victim.run

    def fail(*arguments):
        if arguments[4] == 1:
            raise RuntimeError("out of memory")
        return run(*arguments)

    config = evaluation(copies[:1], tmp_path / "w", countermeasures=MEASURES[:1])
    with monkeypatch.context() as patch:
        patch.setattr(stage.victim, "run", fail)
        with pytest.raises(DataError, match="2/4 victims failed: out of memory"):
            evaluate(config)
    assert not (tmp_path / "w" / "reports").exists()
    assert len(list((tmp_path / "w" / "evaluate").iterdir())) == 2


def test_a_run_that_was_stopped_goes_on_and_ends_as_one_that_was_not(finished, tmp_path, monkeypatch):
    config, result = finished
    cell = cells(config)[0]
    alone = config.model_copy(update={"workspace": str(tmp_path)})
    monkeypatch.setattr(stage, "KeptRun", partial(KeptRun, every=0))
    advance, tested = stage.progress.advance, []

    def until_the_power_is_gone(name, amount, note="", *more):
        tested.extend([note] if note.startswith("test") else [])
        if len(tested) == 2:
            tested.append("stop")
            raise RuntimeError("the power is gone")
        advance(name, amount, note, *more)

    monkeypatch.setattr(stage.progress, "advance", until_the_power_is_gone)
    with cores_shared_by(slots(pick_device("cpu"))):
        with pytest.raises(RuntimeError, match="power"):
            stage.train_victim.fn(cell, alone)
        assert [path.suffix for path in (tmp_path / "evaluate").iterdir()] == [".safetensors"]
        run = stage.train_victim.fn(cell, alone)
    assert tested.index("stop") == 2
    assert len(tested) == 4, "the second epoch alone is trained again"
    unbroken = next(each for each in result.runs if each.inputs == run.inputs)
    assert run.model_copy(update={"seconds": unbroken.seconds}) == unbroken
    assert [path.suffix for path in (tmp_path / "evaluate").iterdir()] == [".json"]


def test_early_stopping_is_the_plain_runs_at_their_best_epoch(finished, states):
    config, result = finished
    measures = (EarlyStopping(), NoCountermeasure())
    found = evaluate(config.model_copy(update={"countermeasures": measures})).runs
    assert states["victims"] == ["Cached"] * 6
    stopped = {(*key_of(run)[:2], run.seed): run for run in found if run.countermeasure == "early-stopping"}
    plain = {(*key_of(run)[:2], run.seed): run for run in result.runs if run.countermeasure == "none"}
    assert stopped.keys() == plain.keys()
    for key, run in stopped.items():
        assert run.test_accuracy == plain[key].peak_test_accuracy == run.peak_test_accuracy
        best = run.curve[run.epochs - 1]
        assert (best.test_accuracy, best.train_accuracy) == (run.test_accuracy, run.train_accuracy)
        assert 100 * np.array(run.confusion).trace() / 90 == pytest.approx(run.test_accuracy)


def test_early_stopping_alone_leaves_no_row_of_plain_training(finished, no_training):
    config, _ = finished
    found = evaluate(config.model_copy(update={"countermeasures": (EarlyStopping(),)})).runs
    assert {run.countermeasure for run in found} == {"early-stopping"}
    assert len(found) == 6


def test_a_copy_that_was_made_again_in_the_same_process_is_looked_at_again(tmp_path):
    """The pictures of an evaluation are kept in memory; those of the one before must not pass for these."""
    source = folder_source(tmp_path / "in", per_class=6)
    test = folder_source(tmp_path / "test", per_class=2, first=50)
    job = config_of(tmp_path, source, RandomNoise(form="class-wise"))
    spec = SourceSpec(url=str(source))
    victim = VICTIM.model_copy(update={"recipe": TinyRecipe(epochs=1, batch_size=4)})
    config = evaluation(
        [job.destination],
        tmp_path / "w",
        clean=spec,
        test=SourceSpec(url=str(test)),
        victims=(victim,),
        countermeasures=MEASURES[:1],
        seeds=1,
    )
    protect_all(job)
    first = evaluate(config).runs[1]
    protect_all(job.model_copy(update={"budget": NoiseBudget(epsilon=64)}))
    second = evaluate(config).runs[1]
    assert (first.epsilon, second.epsilon) == (8, 64)
    assert first.inputs != second.inputs
    assert (
        sets.protected_set(job.destination, 8).images.int() - sets.clean_set(config, 8).images.int()
    ).abs().max() > 8


def test_a_workspace_in_any_source_is_refused(copies, tmp_path):
    train, test = (folder_source(tmp_path / name, per_class=2, first=first) for name, first in (("in", 0), ("test", 5)))
    beside = Beside(train=SourceSpec(url=str(train)), test=SourceSpec(url=str(test)))
    for source in (train, test):
        with pytest.raises(ConfigurationError, match=f"lies in the source {source}"):
            evaluate(evaluation(copies[:1], source / "w", beside=beside))
        assert not (source / "w").exists()


def test_parameters_may_come_as_plain_values_as_a_deployment_gives_them(finished, no_training):
    config, result = finished
    assert flow_module.evaluate(config.model_dump(mode="json")).runs == result.runs
