"""What keeps a machine of a cluster that lacks the run's key, or its folders, from doing harm."""

import socket

import pytest

from infra.errors import ConfigurationError, StorageError
from infra.keyring import VARIABLE
from infra.storage import Folder
from tasks.match.stage import match_classes
from tasks.noise.stage import fit_noise
from tasks.rewrite import publish
from tasks.rewrite.stage import claim, publish_dataset, rewrite_shard
from tests.tasks.rewrite.helpers import RANDOM, config_of, files, index, tar_source, value_of


@pytest.fixture
def job(tmp_path):
    """A job whose shards are still to be rewritten: its configuration, and what a rewriting task is given."""
    config = config_of(tmp_path, tar_source(tmp_path / "in"), RANDOM)
    claimed = claim.fn(config)
    private = index(config.source, Folder(config.workspace).child("dataset").url)
    mapping = match_classes.fn(config, private, None)
    noise = value_of(fit_noise.fn(config, private, None))
    return config, claimed, private, mapping, noise


@pytest.mark.parametrize("where", ["variable", "file"])
def test_a_machine_with_another_key_makes_no_other_noise(job, tmp_path, monkeypatch, where):
    config, _, private, mapping, noise = job
    if where == "variable":
        monkeypatch.setenv(VARIABLE, "the key of another bucket")
    else:
        (tmp_path / "key.txt").write_text("the key of another bucket")
    with pytest.raises(
        ConfigurationError, match=rf"{socket.gethostname()} has the key .*; give it the run's key"
    ) as no:
        rewrite_shard.fn(private.shards[0], config, private.heading, mapping, noise)
    assert "of another bucket" not in str(no.value)
    assert files(config.destination) == {}


def test_a_machine_without_a_key_makes_none(job):
    config, _, private, mapping, noise = job
    keyless = config.model_copy(update={"key_file": None})
    before = files(config.workspace)
    with pytest.raises(ConfigurationError, match=f"has no secret key: .*in {VARIABLE} or a key file"):
        rewrite_shard.fn(private.shards[0], keyless, private.heading, mapping, noise)
    assert files(config.workspace) == before


def test_a_shard_needs_no_word_of_the_others(job):
    config, _, private, mapping, noise = job
    assert private.heading.shards == ()
    whole, alone = (rewrite_shard.fn(private.shards[0], config, d, mapping, noise) for d in (private, private.heading))
    assert value_of(alone) == whole  # found done: the digest is the same


def test_shards_that_went_to_a_disk_of_another_machine_are_missed(job):
    config, claimed, private, mapping, noise = job
    done = [value_of(rewrite_shard.fn(s, config, private.heading, mapping, noise)) for s in private.shards]
    Folder(config.destination).delete(done[1].name)
    with pytest.raises(
        StorageError, match=rf"1 of 3 shards are done and not in .* such as {done[1].name}; give a place"
    ):
        publish_dataset.fn(config, claimed, private, noise, done)
    assert publish.MANIFEST not in files(config.destination)
