"""The reproduce flow on tiny data: noise made once, victims trained once, numbers read off right, and gone on with."""

import csv
import json

import pytest

from flows.paper import checks
from flows.paper.cells import groups_of
from flows.paper.copies import Copies
from flows.reproduce import folder_name, reproduce_one
from infra.errors import ConfigurationError, DataError
from infra.storage import Folder
from schemas.countermeasures import Cutout, Grayscale
from schemas.evaluate import VictimRun
from schemas.experiments import DataUsed, Experiment, Noise, PaperResult, ReproduceConfig
from schemas.noise import RandomNoise
from schemas.recipe import TinyRecipe
from schemas.victims import TinyVictim
from tasks.evaluate import stage
from tests.tasks.rewrite.helpers import CLASS_WISE, TWO_PHASE, folder_source

pytestmark = pytest.mark.usefixtures("prefect_server")
VICTIM = TinyVictim(widths=(4, 8, 8, 8), recipe=TinyRecipe(epochs=2, batch_size=16))
WHOLE = Noise(method=CLASS_WISE)
CLASSES = ("cat", "dog", "fox")


def one(row, column, noise=None, **fields):
    return Experiment(dataset="cifar10", row=row, column=column, noise=noise, victim=VICTIM, **fields)


def paper(*experiments, drawing="table"):
    return PaperResult(name="table9", title="A title", finding="A finding.", drawing=drawing, experiments=experiments)


@pytest.fixture
def data(tmp_path):
    for name in ("cifar10", "cifar100"):
        classes = CLASSES if name == "cifar10" else ("fox", "owl")
        for split, first in (("train", 0), ("test", 50)):
            folder_source(tmp_path / "data" / name / split, per_class=12, classes=classes, first=first)
    return tmp_path / "data"


@pytest.fixture
def config(data, tmp_path):
    return ReproduceConfig(
        experiments=("table2",), workspace=str(tmp_path / "w"), data_folder=str(data), seeds=2, device="cpu"
    )


def results(config, name="table9"):
    return Folder(config.workspace).child(f"reproduced/{folder_name(name, config)}")


def test_a_table_stands_beside_the_papers(config):
    half = WHOLE.model_copy(update={"fraction": 0.5})
    result = paper(
        one("Du + Dc", "0 %", paper=90.0),
        one("Du + Dc", "100 %", WHOLE, paper=20.0),
        one("Du + Dc", "50 %", half),
        one("Dc alone", "50 %", half, part="clean"),
        one("gray", "100 %", WHOLE, countermeasure=Grayscale()),
        drawing="lines",
    )
    record = reproduce_one(result, config, Copies(config))
    assert [(each.row, each.column) for each in record.outcomes] == [(e.row, e.column) for e in result.experiments]
    assert all(len(each.values) == 2 and not each.diverged for each in record.outcomes)
    folder = results(config)
    page = folder.read("table.md").decode()
    assert "| Du + Dc | 90.00 \\| " in page
    assert "A finding." in page
    assert record.command in page
    rows = list(csv.DictReader(folder.read("outcomes.csv").decode().splitlines()))
    assert [float(row["mean"]) for row in rows] == pytest.approx([sum(each.values) / 2 for each in record.outcomes])
    assert b"<svg" in folder.read("lines.svg")
    assert json.loads(folder.read("result.json"))["scale"] == "full"


def test_noise_is_fitted_once_for_all_shares_and_forms_differ(config):
    half = WHOLE.model_copy(update={"fraction": 0.5})
    sample = Noise(method=TWO_PHASE)
    result = paper(one("a", "1", WHOLE), one("b", "1", half), one("c", "1", sample), one("d", "1", WHOLE))
    copies = Copies(config)
    (group,) = groups_of(result, config, copies)
    assert len(group.evaluation.protected) == 3
    names = {name.split("/")[1] for name in Folder(config.workspace).list() if name.startswith("noise/")}
    assert len(names) == 2
    assert group.copies[0] == group.copies[3]


def test_equal_experiments_are_one_training_run(config):
    result = paper(one("a", "1"), one("b", "1"), one("c", "1", WHOLE))
    reproduce_one(result, config, Copies(config))
    runs = [name for name in Folder(config.workspace).list() if name.startswith("evaluate/")]
    assert len(runs) == 4  # two seeds, clean and protected


def test_what_is_done_is_not_done_again(config, monkeypatch):
    result = paper(one("a", "1"), one("b", "1", WHOLE))
    first = reproduce_one(result, config, Copies(config))

    def never(*_, **__):
        raise AssertionError("it was trained before")

    monkeypatch.setattr(stage.victim, "run", never)
    again = reproduce_one(result, config, Copies(config))
    assert again.outcomes == first.outcomes


def test_equal_noise_seeds_give_equal_numbers_and_others_other_noise(config, tmp_path):
    result = paper(one("a", "1", Noise(method=RandomNoise(form="class-wise"))))
    names = []
    for place, seed in (("x", 0), ("y", 0), ("z", 1)):
        there = config.model_copy(update={"workspace": str(tmp_path / place), "noise_seed": seed})
        copy = Copies(there).of(result.experiments[0].noise, "cifar10")
        names.append(Folder(copy.place).read("train-000000.tar"))
    assert names[0] == names[1] != names[2]


def test_accuracy_on_some_classes_and_on_the_others(config):
    cats = Noise(method=CLASS_WISE, classes=("cat",))
    result = paper(
        one("cat", "protected", cats, classes=("cat",)),
        one("cat", "others", cats, classes=("cat",), others=True),
        one("first two", "protected", cats, classes=2),
        drawing="confusion",
    )
    record = reproduce_one(result, config, Copies(config))
    found = {(each.row, each.column): each.values[0] for each in record.outcomes}
    workspace = Folder(config.workspace)
    runs = [workspace.load(name, VictimRun) for name in workspace.list() if name.startswith("evaluate/")]
    run = next(run for run in runs if run.seed == 0)
    right = [100 * run.confusion[k][k] / sum(run.confusion[k]) for k in range(3)]
    assert found["cat", "protected"] == pytest.approx(right[0])
    assert found["cat", "others"] == pytest.approx((right[1] + right[2]) / 2)
    assert found["first two", "protected"] == pytest.approx((right[0] + right[1]) / 2)
    assert any(name.startswith("confusion") for name in record.files)


def test_classes_put_beside_another_dataset(config):
    result = paper(
        one("cat", "cat", WHOLE, beside="cifar100", beside_classes=("cat",), classes=("cat",)),
        one("cat", "others", WHOLE, beside="cifar100", beside_classes=("cat",), classes=("cat",), others=True),
    )
    record = reproduce_one(result, config, Copies(config))
    workspace = Folder(config.workspace)
    names = [name for name in workspace.list() if name.startswith("evaluate/") and name.endswith(".json")]
    run = workspace.load(names[0], VictimRun)
    assert run.classes == ("cat", "fox", "owl")
    ours, other = record.data
    assert (ours.name, ours.classes, ours.kept) == ("cifar10", 3, ("cat",))
    assert (other.name, other.classes, other.kept) == ("cifar100", 2, None)
    assert (ours.train + other.train, ours.test + other.test) == (run.samples, run.test_samples)


def test_the_trigger_of_a_copy_on_victims_of_it_and_on_clean_ones(config):
    noise = Noise(method=RandomNoise(form="class-wise"))
    result = paper(
        one("random", "0", measured="backdoor", trigger=noise),
        one("random", "100", noise, measured="backdoor"),
        drawing="lines",
    )
    record = reproduce_one(result, config, Copies(config))
    assert all(0 <= value <= 100 for each in record.outcomes for value in each.values)


def test_cost_is_a_share_of_a_training_run(config):
    record = reproduce_one(paper(one("error-min", "class-wise", WHOLE, measured="cost")), config, Copies(config))
    (outcome,) = record.outcomes
    assert len(outcome.values) == 1
    assert outcome.values[0] > 0


def test_a_run_that_diverges_is_told_and_stops_nothing(config):
    recipe = TinyRecipe(epochs=2, batch_size=16, lr=1e30)
    wild = VICTIM.model_copy(update={"widths": (4, 8, 8, 16), "recipe": recipe})
    result = paper(one("wild", "1", WHOLE).model_copy(update={"victim": wild}), one("tame", "1", WHOLE))
    record = reproduce_one(result, config, Copies(config))
    assert [(len(each.values), each.diverged) for each in record.outcomes] == [(0, 2), (2, 0)]
    assert "(2 diverged)" in results(config).read("table.md").decode()


def test_small_scale_is_written_on_every_output(config):
    small = config.model_copy(update={"scale": "small"})
    reproduce_one(paper(one("a", "50", WHOLE, paper=1.0), one("a", "60"), drawing="lines"), small, Copies(small))
    folder = results(small)
    assert "Small scale:" in folder.read("table.md").decode()
    assert "small scale" in folder.read("lines.svg").decode()
    assert json.loads(folder.read("result.json"))["scale"] == "small"


def test_a_dataset_that_nobody_placed_is_told_before_anything_is_made(config, tmp_path):
    result = paper(one("a", "1").model_copy(update={"dataset": "webface"}))
    with pytest.raises(ConfigurationError, match="nothing says where webface lies; give --data webface=URL"):
        checks.check([result], config)
    assert not (tmp_path / "w").exists()


def test_what_can_not_be_done_is_refused_before_anything_is_trained(config):
    result = paper(one("a", "1", WHOLE), one("b", "1", WHOLE, countermeasure=Cutout(side=16)))  # pictures of 8 px
    with pytest.raises(ConfigurationError, match="cutout-16"):
        reproduce_one(result, config, Copies(config))
    assert not [name for name in Folder(config.workspace).list() if name.startswith("evaluate/")]


def test_results_that_are_cut_differently_lie_apart(config):
    small = config.model_copy(update={"scale": "small", "seeds": 3})
    cut = small.model_copy(update={"datasets": ("svhn",), "victims": ("vgg11",), "seeds": 1, "noise_seed": 4})
    names = [folder_name("table1", each) for each in (config, small, cut)]
    assert names == ["table1-full-seeds2", "table1-small", "table1-small-svhn-vgg11-seeds1-noise4"]


def test_a_key_of_the_environment_does_not_take_the_noise_seeds_place(config, monkeypatch):
    monkeypatch.setenv("UNLEARNABLE_KEY", "a key of somebody's bucket")
    with pytest.raises(ConfigurationError, match="unset UNLEARNABLE_KEY"):
        checks.check([paper(one("a", "1"))], config)


def test_data_that_are_not_there_are_told_before_anything_is_made(config):
    there = config.model_copy(update={"data": {"svhn": "/nowhere/at/all"}})
    result = paper(one("a", "1"), one("b", "1").model_copy(update={"dataset": "svhn"}))
    with pytest.raises((ConfigurationError, DataError), match="/nowhere/at/all"):
        checks.check([result], there)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": ("owl",)}, "has no class owl"),
        ({"countermeasure": Cutout(side=16)}, "cutout-16"),
        ({"noise": Noise(method=CLASS_WISE, public="cifar100", mapping={"cat": "tiger"})}, "no class tiger"),
        ({"measured": "auc"}, "nothing says where face-pairs lies"),
    ],
)
def test_what_can_not_be_is_told_before_anything_is_made(config, tmp_path, change, said):
    with pytest.raises(ConfigurationError, match=said):
        checks.check([paper(one("a", "1").model_copy(update=change))], config)
    assert not (tmp_path / "w").exists()


def test_a_class_map_leads_to_the_public_classes(config):
    noise = Noise(method=CLASS_WISE, public="cifar100", mapping={"cat": "owl", "dog": "fox", "fox": "fox"})
    copy = Copies(config).of(noise, "cifar10")
    workspace = Folder(copy.config.workspace)
    matches = json.loads(workspace.read("match/mapping.json"))["matches"]
    assert {each["private"]: each["public"] for each in matches} == noise.mapping
    assert copy.noise.class_names == ("fox", "owl")
    made_on = DataUsed(name="cifar100", source="cifar100", use="noise", classes=2)
    record = reproduce_one(paper(one("a", "b", noise)), config, Copies(config))
    assert [each for each in record.data if each.use == "noise"] == [made_on]


def test_classes_of_the_private_names_are_matched_where_the_mapped_ones_are_not_there(config, data):
    folder_source(data / "imagenet32" / "train", per_class=12, classes=CLASSES)
    noise = Noise(method=CLASS_WISE, public="imagenet32", mapping=dict.fromkeys(CLASSES, "zebra"))
    copy = Copies(config).of(noise, "cifar10")
    assert copy.config.mapping is None
    assert copy.noise.class_names == CLASSES


def test_the_best_epoch_is_read_off_the_same_runs(config):
    result = paper(one("a", "last", WHOLE), one("a", "best", WHOLE, measured="peak"))
    last, best = reproduce_one(result, config, Copies(config)).outcomes
    assert all(high >= low for high, low in zip(best.values, last.values, strict=True))
    assert last.converged is not None


def test_what_stood_for_a_dataset_is_told(config):
    record = reproduce_one(paper(one("a", "1"), one("b", "1", WHOLE)), config, Copies(config))
    (used,) = record.data
    assert (used.name, used.source, used.classes, used.train, used.test) == ("cifar10", "cifar10", 3, 36, 36)
