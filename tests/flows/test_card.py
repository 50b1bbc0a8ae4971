"""The verdict in the card of a copy: written on request, from a report of exactly that copy."""

from pathlib import Path

import pytest

from tests.flows.cli_helpers import Places
from tests.tasks.shard.helpers import shard


@pytest.fixture
def evaluated(cli, two_shards: Places):
    """A protected copy of two shards and the name of a report on it."""
    assert cli(*two_shards.protect).status == 0
    test = Places(two_shards.root / "test")
    test.put("a.tar", shard(4, first=20))
    command = ("evaluate", two_shards.destination, "--clean", two_shards.source, "--test", test.source)
    said = cli(*command, "--workspace", two_shards.workspace, "--epochs", 1, "--seeds", 1, "--json")
    assert said.status == 0, said
    return two_shards, Path(said.json["report"]).parent.name


def test_it_is_not_in_the_card_before_it_is_asked_for(cli, evaluated):
    places, name = evaluated
    card = places.destination / "README.md"
    assert "ask the owner for the report" in card.read_text()
    said = cli("report", places.workspace, name, "--card")
    assert said.status == 0, said
    (line,) = said.out.splitlines()
    assert line.startswith(f"{places.destination}: ")
    assert line.endswith(f", by {name}")
    assert "the network `tiny` reaches" in card.read_text()
    assert cli("verify", places.destination, "--clean", places.source).status == 0


def test_json_has_what_was_written(cli, evaluated):
    places, name = evaluated
    found = cli("report", places.workspace, name, "--card", "--json").json
    assert list(found) == [str(places.destination)]
    worth = found[str(places.destination)]
    assert (worth["report"], worth["victim"], worth["countermeasure"], worth["tried"]) == (name, "tiny", "none", 1)


def test_a_copy_that_was_made_anew_since_is_refused(cli, evaluated):
    places, name = evaluated
    assert cli(*places.arguments("protect", "--method", "random", "--epsilon", 3)).status == 0
    said = cli("report", places.workspace, name, "--card")
    assert (said.status, said.out) == (1, "")
    assert f"is not what report {name} is about: its pictures have changed since; evaluate it again" in said.error
    assert "ask the owner for the report" in (places.destination / "README.md").read_text()
