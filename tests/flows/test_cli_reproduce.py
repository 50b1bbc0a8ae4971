"""`unlearnable reproduce` as a person runs it."""

import pytest

from flows.paper.catalogue import ALL
from tests.flows.cli_helpers import unlearnable
from tests.tasks.rewrite.helpers import folder_source

CLASSES = ("airplane", "bird", "ship")


@pytest.fixture
def data(tmp_path):
    for split, first in (("train", 0), ("test", 50)):
        folder_source(tmp_path / "data" / "cifar10" / split, per_class=10, classes=CLASSES, first=first)
    return tmp_path / "data"


def test_the_list_names_every_table_and_figure():
    said = unlearnable("reproduce", "--list")
    assert said.status == 0
    for result in ALL:
        assert f"\n{result.name} " in f"\n{said.out}"
        assert result.title in said.out


def test_the_list_as_json():
    listed = unlearnable("reproduce", "--list", "--json").json["experiments"]
    assert [each["name"] for each in listed] == [result.name for result in ALL]
    table1 = next(each for each in listed if each["name"] == "table1")
    assert (table1["numbers"], table1["published"]) == (64, 64)
    assert table1["datasets"] == ["svhn", "cifar10", "cifar100", "imagenet100"]


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        ((), "no experiment is named; name some, such as table1"),
        (("tabel2",), "did you mean table2"),
        (("fig4",), "nothing says where webface lies; give --data webface=URL"),
        (("table2", "--data", "cifar10"), "--data cifar10 says no place; write NAME=URL"),
        (("table2", "--data", "cifar=/x"), "data.cifar"),
        (("table2", "--scale", "tiny"), "scale"),
        (("table2", "--seeds", "0"), "seeds"),
        (("table2", "--datasets", "svhn"), "it has the datasets cifar10"),
    ],
)
def test_what_can_not_be_is_refused_and_nothing_written(tmp_path, arguments, needle):
    said = unlearnable("reproduce", *arguments, "--workspace", tmp_path / "w")
    assert said.status == 2
    assert needle in said.error
    assert not (tmp_path / "w").exists()


def test_a_figure_in_small_from_start_to_end_and_again(data, tmp_path, prefect_server):
    del prefect_server
    asked = ("reproduce", "fig2", "--scale", "small", "--seeds", 1, "--data-folder", data, "--device", "cpu")
    first = unlearnable(*asked, "--workspace", tmp_path / "w", "--json")
    assert first.status == 0, first.err
    (result,) = first.json["results"]
    assert (result["name"], result["scale"], len(result["outcomes"])) == ("fig2", "small", 6)
    assert result["command"] == "unlearnable reproduce fig2 --seeds 1 --scale small"
    assert all(0 <= value <= 100 for one in result["outcomes"] for value in one["values"])
    assert {"table.md", "outcomes.csv", "curves.svg"} <= set(result["files"])
    again = unlearnable(*asked, "--workspace", tmp_path / "w")
    assert again.status == 0
    assert "Small scale:" in again.out
    assert "| 80 % unlearnable alone |" in again.out
