"""What an evaluation found goes into the card of the copy that was evaluated, and of no other."""

from pathlib import Path

import pytest

from infra.errors import ConfigurationError, DataError
from infra.lease import LOCK
from infra.storage import Folder
from schemas.card import Worth
from schemas.coverage import Coverage
from schemas.protect import ProtectedManifest
from tasks.report.worth import worths
from tasks.report.write import write_report
from tasks.rewrite.publish import state_worth
from tests.tasks.report.helpers import context, grid_of_runs, protected_set, run, seeds
from tests.tasks.rewrite.helpers import config_of, files, folder_source, protect_all

SAID = (
    "**The protection is undone**, as evaluated on 2026-11-28. Under the countermeasure `jpeg-10`, the hardest of 24 "
    "trainings tried, the network `resnet18` reaches 81.25 % on clean test pictures (clean ceiling 85.50 %); guessing "
    "gives 50.00 %."
)


@pytest.fixture
def copy(tmp_path):
    """A protected copy, and what a report says of it."""
    config = config_of(tmp_path, folder_source(tmp_path / "in"))
    manifest = protect_all(config)
    fields = {"report": "20261128-020000-aaaa", "created": "2026-11-28T02:00:00+00:00", "victim": "resnet18"}
    fields |= {"judgement": "undone", "countermeasure": "jpeg-10", "reached": 81.25, "ceiling": 85.5, "tried": 24}
    fields |= {"chance": 50.0}
    return config, Worth.model_validate({**fields, "digest": manifest.dataset.digest})


def card(config):
    return files(config.destination)["README.md"].decode()


def test_the_card_says_it_in_numbers(copy):
    config, worth = copy
    assert "is a matter of measurement" in card(config)
    state_worth(Folder(config.destination), worth)
    assert SAID in card(config)
    kept = Folder(config.destination).load("manifest.json", ProtectedManifest)
    assert kept is not None
    assert kept.worth == worth


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"judgement": "holds"}, "**The protection holds**"),
        ({"judgement": "partly"}, "**The protection holds in part**"),
        ({"judgement": "unknown", "ceiling": None}, "so what is left of the protection is not known**"),
        ({"tried": 1}, "the only training tried"),
    ],
)
def test_it_says_no_more_than_is_known(copy, changes, said):
    config, worth = copy
    state_worth(Folder(config.destination), worth.model_copy(update=changes))
    assert said in card(config)
    assert ("clean ceiling" in card(config).partition("## Licence")[0]) == (
        changes.get("ceiling", 85.5) is not None or changes["judgement"] == "unknown"
    )


def test_a_run_that_changes_no_picture_keeps_it(copy):
    config, worth = copy
    state_worth(Folder(config.destination), worth)
    before = files(config.destination)
    protect_all(config)
    assert files(config.destination) == before


def test_a_run_that_changes_a_picture_drops_it(copy):
    config, worth = copy
    state_worth(Folder(config.destination), worth)
    protect_all(config.model_copy(update={"coverage": config.coverage.model_copy(update={"fraction": 0.5})}))
    assert "is a matter of measurement" in card(config)


def test_it_is_refused_of_a_copy_that_has_changed_since(copy):
    config, worth = copy
    before = files(config.destination)
    with pytest.raises(DataError, match="is not what report 20261128-020000-aaaa is about: its pictures have changed"):
        state_worth(Folder(config.destination), worth.model_copy(update={"digest": "0" * 64}))
    assert files(config.destination) == before


def test_it_is_refused_while_a_run_writes_the_copy(copy):
    config, worth = copy
    (Path(config.destination) / LOCK).write_bytes(b"{}")
    with pytest.raises(ConfigurationError, match="a run writes"):
        state_worth(Folder(config.destination), worth)
    assert "is a matter of measurement" in card(config)


def test_what_was_measured_on_some_classes_is_said_of_these(tmp_path):
    config = config_of(tmp_path, folder_source(tmp_path / "in"), coverage=Coverage(classes=("cat",)))
    manifest = protect_all(config)
    fields = {"report": "r", "created": "2026-11-28", "victim": "tiny", "countermeasure": "none", "reached": 5.0}
    fields |= {"judgement": "holds", "ceiling": 80.0, "chance": 50.0, "tried": 1, "digest": manifest.dataset.digest}
    state_worth(Folder(config.destination), Worth.model_validate(fields))
    assert "reaches 5.00 % on clean test pictures of the protected classes (clean ceiling 80.00 %)" in card(config)


def test_victims_and_countermeasures_are_counted_together(tmp_path):
    runs = [*grid_of_runs(), *seeds("none", "none", 90.0, victim="screen"), run(victim="screen", accuracy=14.0)]
    told = context(protected=(protected_set(destination="s3://out/digits", digest="d" * 64),))
    folder = Folder(str(tmp_path))
    record = write_report(folder, runs, told, {}, {})
    ((place, worth),) = worths(folder, "r", record)
    assert place == "s3://out/digits"
    assert (worth.tried, worth.chance, worth.victim, worth.countermeasure) == (3, 10.0, "tiny", "jpeg-10")
    assert (worth.reached, worth.ceiling, worth.digest) == (70.0, 80.0, "d" * 64)
