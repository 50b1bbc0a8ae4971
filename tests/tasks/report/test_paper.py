"""What a reproduced result writes: its files, its scale, its data, and what is marked in its table."""

import csv
import io
import json

import pytest

from infra.storage import Folder
from schemas.experiments import DataUsed, ReproduceConfig, ResultRecord, Scale
from tasks.report.paper import markdown, write_result
from tests.tasks.report.helpers import run, seeds
from tests.tasks.report.paper_helpers import CLASS_WISE, one, outcome, result

GTSRB = DataUsed(name="svhn", source="gtsrb32", classes=43, train=4300, test=1290)
CIFAR = DataUsed(name="cifar10", source="cifar10", classes=10, train=4000, test=2000)


def written(folder, found, scale: Scale = "full", data=(CIFAR,), **changes):
    config = ReproduceConfig(experiments=("table9",), workspace="w", seeds=2, scale=scale, device="cpu")
    return write_result(folder, result(*(each for each, *_ in found), **changes), config, data, found, 0.0)


def page(folder):
    return folder.read("table.md").decode()


def rows(folder, name):
    return list(csv.DictReader(io.StringIO(folder.read(name).decode())))


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path / "table9"))


def found_of(*accuracies, **changes):
    """A clean and a protected row under one column, numbers, runs and all."""
    clean, protected = one("clean", "0", paper=90.0), one("class-wise", "0", CLASS_WISE, paper=20.0)
    runs = tuple(seeds("error-minimizing", "none", *accuracies, form="class-wise"))
    return [
        (clean, tuple(seeds("none", "none", 90.0, 92.0)), outcome(clean, 90.0, 92.0)),
        (protected, runs, outcome(protected, *accuracies, **changes)),
    ]


@pytest.mark.parametrize("drawing", ["lines", "curves", "confusion"])
@pytest.mark.parametrize("scale", ["full", "small"])
def test_the_scale_is_on_every_output(folder, drawing, scale):
    record = written(folder, found_of(20.0, 22.0), scale, drawing=drawing)
    assert ("Small scale:" in page(folder)) == (scale == "small")
    for name in ("outcomes.csv", "runs.csv", "curves.csv"):
        assert {row["scale"] for row in rows(folder, name)} == {scale}
    drawings = [name for name in record.files if name.endswith(".svg")]
    assert drawings
    for name in drawings:
        label = "table9 (small scale)" if scale == "small" else "table9"
        assert f">{label}<" in folder.read(name).decode()
    assert json.loads(folder.read("result.json"))["scale"] == scale


def test_files_that_the_new_result_does_not_name_are_gone(folder):
    written(folder, found_of(20.0, 22.0), drawing="lines")
    folder.write("confusion-1.svg", b"<svg/>")
    record = written(folder, found_of(20.0, 22.0), drawing="curves")
    assert set(folder.list()) == {*record.files, "result.json"}
    assert "lines.svg" not in folder.list()


def test_a_half_written_folder_has_no_marker(folder, monkeypatch):
    written(folder, found_of(20.0, 22.0))

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(Folder, "save", full)
    with pytest.raises(OSError, match="no space"):
        written(folder, found_of(20.0, 22.0))
    assert "result.json" not in folder.list()
    assert "table.md" in folder.list()


def test_figures_stand_on_the_page(folder):
    record = written(folder, found_of(20.0, 22.0), "small", drawing="lines")
    assert "![table9 (small scale), lines](lines.svg)" in page(folder)
    written(folder, found_of(20.0, 22.0))
    assert "![" not in page(folder)
    assert markdown(record).startswith("## table9: A title\n\nSmall scale:")


def test_a_stand_in_is_told_with_its_chance_level(folder):
    written(folder, found_of(20.0, 22.0), data=(GTSRB, CIFAR))
    told = (
        "Data: svhn is gtsrb32 (43 classes, 4,300 training and 1,290 test pictures); cifar10 (10 classes, 4,000 "
        "training and 2,000 test pictures). The numbers on svhn have another chance level than the paper's: 2.33 % "
        "instead of 10 %."
    )
    assert told in page(folder)
    assert page(folder).count("chance level") == 1


@pytest.mark.parametrize(
    ("name", "classes", "differs"),
    [("cifar100", 100, False), ("webface", 158, True), ("imagenet100", 100, False), ("imagenet32", 1000, False)],
)
def test_the_papers_number_of_classes_decides(folder, name, classes, differs):
    written(folder, found_of(20.0), data=(DataUsed(name=name, source="mine", classes=classes, train=10, test=5),))
    assert f"Data: {name} is mine ({classes:,} classes" in page(folder)
    assert ("another chance level" in page(folder)) == differs


def test_all_that_stands_for_data_of_the_papers_is_told(folder):
    ship = DataUsed(name="cifar10", source="mine", classes=10, kept=("ship",), train=4, test=2)
    public = DataUsed(name="imagenet32", source="theirs", use="noise", classes=12)
    pairs = DataUsed(name="face-pairs", source="faces", use="pairs")
    written(folder, found_of(20.0), data=(ship, public, pairs))
    told = (
        "Data: cifar10 is mine (ship of 10 classes, 4 training and 2 test pictures); imagenet32 is theirs, which noise "
        "was made on (12 classes); face-pairs is faces, whose pairs are verified."
    )
    assert told in page(folder)
    assert "chance level" not in page(folder)


def test_a_fit_that_did_not_converge_is_marked_and_told(folder):
    written(folder, found_of(20.0, 22.0, converged=False, noise_error=0.312))
    assert "| 20.00 \\| 21.00 ± 1.41 (+1.00) † |" in page(folder)
    assert "† The fit of the noise did not converge, so expect weak protection: class-wise, 0 (error 0.31)." in page(
        folder
    )
    assert rows(folder, "outcomes.csv")[1]["converged"] == "False"


@pytest.mark.parametrize("converged", [True, None])
def test_a_fit_that_converged_has_no_mark(folder, converged):
    written(folder, found_of(20.0, 22.0, converged=converged, noise_error=0.01))
    assert "†" not in page(folder)


def test_what_was_measured_is_told_with_its_unit(folder):
    peak = one("clean", "best epoch", measured="peak")
    end = one("clean", "last epoch")
    runs = tuple(seeds("none", "none", 90.0))
    written(folder, [(end, runs, outcome(end, 90.0)), (peak, runs, outcome(peak, 91.0))])
    assert "Accuracy on clean test pictures in percent. Highest clean test accuracy of any epoch in percent." in page(
        folder
    )


def test_runs_that_diverged_are_told_in_their_cell(folder):
    lost = one("wild", "0", CLASS_WISE, paper=20.0)
    written(folder, [(lost, (run(diverged=True),), outcome(lost, diverged=2, converged=False))])
    assert "| 20.00 \\| – (2 diverged) † |" in page(folder)


def test_a_result_without_runs_has_no_tables_of_them(folder):
    cost = one("error-min", "class-wise", CLASS_WISE, measured="cost", paper=10.0)
    record = written(folder, [(cost, (), outcome(cost, 12.0))], data=())
    assert record.files == ("table.md", "outcomes.csv")
    assert "Data:" not in page(folder)
    assert folder.load("result.json", ResultRecord) == record
