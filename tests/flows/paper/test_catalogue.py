"""The paper's experiments as declared: all of them there, with its numbers, and cut to what is asked for."""

import pytest

from flows.paper import catalogue
from infra.errors import ConfigurationError
from schemas.experiments import ReproduceConfig
from schemas.noise import ErrorMinimizing

NAMES = (
    *("fig1", "table1", "table2", "fig2", "fig2b", "fig5", "fig3a", "fig3b", "fig3c"),
    *("table3", "fig6", "table5", "fig4", "fig7", "fig8", "fig9", "cost"),
)


OF_RECORD = {"resnet18", "inception-resnet-v1"}


def asked(*names, **fields):
    return ReproduceConfig(experiments=names, workspace="w", **fields)


def numbers(name):
    (result,) = catalogue.chosen(asked(name))
    return {(one.row, one.column): one.paper for one in result.experiments}


def test_every_table_and_figure_of_the_paper_is_there():
    assert tuple(result.name for result in catalogue.ALL) == NAMES
    assert [result.name for result in catalogue.chosen(asked("all"))] == list(NAMES)


def test_the_numbers_are_the_papers():
    table1 = numbers("table1")
    assert len(table1) == 64
    assert table1["sample-wise, RN-18", "cifar10 Du"] == 19.93
    assert table1["class-wise, DN-121", "imagenet100 Dc"] == 80.52
    table2 = numbers("table2")
    assert table2["class-wise, Du + Dc", "80 %"] == 87.23
    assert table2["Dc alone", "80 %"] == 84.30
    assert numbers("table3")["sample-wise", "Mixup"] == 58.51
    assert numbers("table5")["patch 16", "Fast AutoAugment"] == 36.69
    assert numbers("fig7")["fully protected", "AUC"] == 0.5321


def test_each_number_has_a_place_of_its_own():
    for result in catalogue.ALL:
        places = [(one.row, one.column) for one in result.experiments]
        assert len(set(places)) == len(places), result.name


def test_the_papers_noise_is_made_by_its_own_procedure():
    for result in catalogue.ALL:
        methods = [one.noise.method for one in result.experiments if one.noise]
        assert all(each.preset == "paper" for each in methods if isinstance(each, ErrorMinimizing)), result.name


def test_datasets_and_victims_cut_a_table():
    (table,) = catalogue.chosen(asked("table1", datasets=("cifar10",), victims=("resnet18", "vgg11")))
    assert {one.dataset for one in table.experiments} == {"cifar10"}
    assert {one.victim.kind for one in table.experiments} == {"resnet18", "vgg11"}
    assert len(table.experiments) == 8


def test_what_is_asked_for_twice_is_run_once():
    assert [result.name for result in catalogue.chosen(asked("fig1", "table2", "fig1"))] == ["fig1", "table2"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"experiments": ("tabel1",)}, "did you mean table1"),
        ({"experiments": ("nothing",)}, "see reproduce --list"),
        ({"experiments": ("fig1",), "datasets": ("svhn",)}, "it has the datasets cifar10"),
        ({"experiments": ("fig4",), "victims": ("vgg11",)}, "the victims inception-resnet-v1"),
        ({"experiments": ("fig4",), "victims": ("vgg11",), "scale": "small"}, "the victims inception-resnet-v1"),
        ({"experiments": ("fig1",), "victims": ("resnet18", "vgg12")}, "did you mean vgg11"),
        ({"experiments": ("all",), "datasets": ("celeba100",)}, "nothing of fig1"),
    ],
)
def test_what_there_is_not_is_refused(fields, said):
    with pytest.raises(ConfigurationError, match=said):
        catalogue.chosen(ReproduceConfig(workspace="w", **fields))


@pytest.mark.parametrize("result", catalogue.ALL, ids=lambda result: result.name)
def test_in_small_each_keeps_its_question(result):
    (small,) = catalogue.chosen(asked(result.name, scale="small"))
    assert {one.victim.kind for one in small.experiments} == {"screen"}
    full = {(one.measured, one.part, one.others) for one in result.experiments if one.victim.kind in OF_RECORD}
    assert {(one.measured, one.part, one.others) for one in small.experiments} == full
    for one in small.experiments:
        method = one.noise.method if one.noise else None
        assert getattr(method, "source_model", "tiny") == "tiny"
        assert one.victim.recipe.size in {32, 48}
    kinds = {one.countermeasure.kind for one in result.experiments}
    assert {one.countermeasure.kind for one in small.experiments} == kinds
    budgets = {one.noise.budget.epsilon for one in result.experiments if one.noise}
    assert {one.noise.budget.epsilon for one in small.experiments if one.noise} == budgets


def test_in_small_a_victim_that_is_named_keeps_its_form():
    (small,) = catalogue.chosen(asked("table1", scale="small", victims=("vgg11",), datasets=("cifar10",)))
    assert {one.victim.kind for one in small.experiments} == {"vgg11"}
    assert all(one.victim.recipe.epochs < 60 for one in small.experiments)


def test_of_all_what_is_left_is_run():
    names = [result.name for result in catalogue.chosen(asked("all", datasets=("svhn",)))]
    assert names == ["table1"]
    assert "fig4" not in [result.name for result in catalogue.chosen(asked("all", victims=("resnet18",)))]


def test_table_4_is_where_its_class_map_is_used():
    assert [result.name for result in catalogue.chosen(asked("table4"))] == ["fig3b"]


def test_in_small_the_screening_net_and_a_named_victim_stand_side_by_side():
    (small,) = catalogue.chosen(asked("table1", scale="small", victims=("screen", "vgg11"), datasets=("cifar10",)))
    assert {one.victim.kind for one in small.experiments} == {"screen", "vgg11"}
    assert len({(one.row, one.column) for one in small.experiments}) == len(small.experiments) == 8


@pytest.mark.parametrize("scale", ["small", "full"])
@pytest.mark.parametrize("victims", [None, ("resnet18", "vgg11", "inception-resnet-v1", "screen"), ("resnet18",)])
def test_no_two_experiments_of_a_result_have_the_same_place_in_its_table(scale, victims):
    for result in catalogue.chosen(asked("all", scale=scale, victims=victims)):
        places = [(one.row, one.column) for one in result.experiments]
        assert len(set(places)) == len(places), result.name


def test_in_small_rows_name_the_victim_where_there_are_two():
    (small,) = catalogue.chosen(asked("table3", scale="small", victims=("screen", "resnet18")))
    assert {one.row.rpartition(", ")[2] for one in small.experiments} == {"screen", "resnet18"}
    (alone,) = catalogue.chosen(asked("table3", scale="small", victims=("resnet18",)))
    assert not any(one.row.endswith("resnet18") for one in alone.experiments)


def test_in_small_a_named_victim_sees_pictures_as_large_as_it_needs():
    (small,) = catalogue.chosen(asked("fig4", scale="small", victims=("inception-resnet-v1",)))
    assert {one.victim.recipe.size for one in small.experiments} == {75}
