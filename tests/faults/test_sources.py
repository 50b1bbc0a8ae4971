"""A source that changes, goes or is damaged while a run reads it: a clear failure, and right once it is whole."""

import zipfile
from pathlib import Path

import pytest

from flows.protect import protect
from infra.errors import DataError, StorageError, UnlearnableError
from infra.storage import Folder
from tasks.rewrite import shard as shards
from tasks.rewrite import stage
from tasks.rewrite.audit import audit
from tests.faults import tally
from tests.tasks.rewrite.helpers import RANDOM, TWO_PHASE, config_of, files, tar_source

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("prefect_server")]
ONE = "train-000001.tar"


@pytest.fixture
def job(tmp_path):
    return config_of(tmp_path, tar_source(tmp_path / "in"), workers=1)


def source_of(job):
    return Path(job.source.url) / ONE


def finished(job):
    protect(job)
    assert audit(Folder(job.destination), job.source).problems == []


CHANGES = {
    "replaced by another": lambda path: (
        tar_source(path.parent / "other", shards=1, first=7)
        and path.write_bytes((path.parent / "other" / "train-000007.tar").read_bytes())
    ),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:5120]),
    "removed": lambda path: path.unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_shard_that_changes_between_its_index_and_its_rewriting_fails_the_run(job, monkeypatch, change):
    whole, rewrite = source_of(job).read_bytes(), shards.rewrite

    def and_change(*given):
        if source_of(job).exists() and source_of(job).read_bytes() == whole:
            CHANGES[change](source_of(job))
        return rewrite(*given)

    with monkeypatch.context() as patch:
        patch.setattr(stage.shards, "rewrite", and_change)
        with pytest.raises(
            (DataError, StorageError), match=r"train-000001\.tar (changed|: nothing)|train-000001\.tar: nothing"
        ):
            protect(job)
    assert not {ONE, "manifest.json"} & files(job.destination).keys()
    source_of(job).write_bytes(whole)
    finished(job)
    tally.record(f"source shard {change} during a run", 1, "clear error, right bytes once it was whole")


@pytest.mark.parametrize("method", [RANDOM, TWO_PHASE], ids=["random", "two-phase"])
def test_a_shard_that_was_read_wrongly_when_it_was_indexed_is_indexed_again_by_the_next_run(job, monkeypatch, method):
    """Nothing in the source tells of it: its listing is as it was, so only the marker's going makes the run look."""
    from tasks.shard import index

    job = job.model_copy(update={"method": method})
    fetch = index.webdataset.fetch

    def garbled(unit):
        data = fetch(unit)
        return data.replace(b"text \xff", b"tixt \xff") if unit.name == ONE else data

    with monkeypatch.context() as patch:
        patch.setattr(index.webdataset, "fetch", garbled)
        with pytest.raises(DataError, match=r"train-000001\.tar changed since it was indexed"):
            protect(job)
    finished(job)
    tally.record("bytes read wrongly for an index", 1, "clear error, right bytes in the next run")


def test_a_shard_that_changes_while_it_is_indexed_is_not_taken_for_the_one_that_was_listed(job, monkeypatch):
    from tasks.shard import index

    whole, fetch = source_of(job).read_bytes(), index.webdataset.fetch

    def and_change(unit):
        data = fetch(unit)
        if unit.name == ONE:
            tar_source(Path(job.source.url), shards=1, per_shard=3, first=1)
        return data

    with monkeypatch.context() as patch:
        patch.setattr(index.webdataset, "fetch", and_change)
        with pytest.raises(DataError, match=r"train-000001\.tar changed while it was read"):
            protect(job)
    assert files(job.destination) == {}
    assert source_of(job).read_bytes() != whole
    finished(job)
    tally.record("source shard changed while it was indexed", 1, "clear error, right bytes in the next run")


def cut_at_a_block(data):
    return data[: len(data) // 2 // 512 * 512]


def with_a_damaged_header(data):
    at = data.index(b"ustar", 2000)
    return data[:at] + b"\0" * 5 + data[at + 5 :]


def as_zip(data, place):
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("0.jpg", data)
    return place.read_bytes()


DAMAGES = {
    "cut at a block of 512 bytes": cut_at_a_block,
    "cut anywhere": lambda data: data[: len(data) // 3 + 7],
    "without its end": lambda data: data.rstrip(b"\0"),
    "with a damaged header": with_a_damaged_header,
    "with bytes after its end": lambda data: data + b"more" * 128,
    "empty": lambda data: b"",
    "of zeros": lambda data: b"\0" * len(data),
    "a zip by the name of a tar": None,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_foreign_archive_fails_the_run_and_nothing_is_published(job, tmp_path, damage):
    whole = source_of(job).read_bytes()
    make = DAMAGES[damage]
    source_of(job).write_bytes(as_zip(whole, tmp_path / "zip") if make is None else make(whole))
    with pytest.raises(UnlearnableError, match=r"train-000001\.tar"):
        protect(job)
    assert files(job.destination) == {}
    source_of(job).write_bytes(whole)
    finished(job)
    tally.record(f"archive {damage}", 1, "clear error, right bytes once it was whole")


def test_a_byte_that_flips_in_a_picture_costs_that_picture_or_is_protected_as_it_is(job):
    """No tar has a sum of its contents: only the picture's own decoder can tell. What is published is what was read."""
    data = bytearray(source_of(job).read_bytes())
    at = data.index(b"\xff\xd8\xff") + 2
    data[at : at + 40] = bytes(40)
    source_of(job).write_bytes(bytes(data))
    config = job.model_copy(update={"source": job.source.model_copy(update={"max_bad_share": 0.5})})
    summary = protect(config)
    assert (summary.samples, summary.quarantined) == (11, 1)
    assert audit(Folder(config.destination), config.source).problems == []
    tally.record("garbled picture in a sound archive", 1, "quarantined with its reason")
