"""rerun, failed and status: what the operator asks after a bad night."""

import os
from pathlib import Path

import infra.prefect_settings  # noqa: F401 - before Prefect

import pytest
from prefect import flow

from infra import lease, machine
from infra.errors import DataError
from infra.storage import Folder
from schemas.protect import Job, KeptConfig, ProtectedShard
from schemas.run import Holder, RunLock
from tasks.rewrite import shard as shards
from tasks.rewrite import stage
from tasks.rewrite.places import CONFIG
from tasks.rewrite.redo import forget, take_back
from tests.flows.cli_helpers import tree
from tests.tasks.shard.helpers import shard


@pytest.fixture
def broken(cli, two_shards, monkeypatch):
    """The places of a job of which one shard failed; `mend` lets it pass, `fail` fails it again."""
    rewrite, bad = shards.rewrite, ["b.tar"]

    def fail(job, shard, noise):
        stage.log(f"reading {shard.name}")
        if shard.name in bad:
            raise DataError(f"shard {shard.name} is odd", "mend it")
        return rewrite(job, shard, noise)

    monkeypatch.setattr(stage.shards, "rewrite", fail)
    said = cli(*two_shards.protect)
    assert said.status == 1, said
    assert "shard b.tar is odd; mend it" in said.error
    two_shards.__dict__.update(mend=bad.clear, fail=lambda: bad.append("b.tar"))
    return two_shards


def test_a_failed_shard_is_listed_with_its_reason_and_its_log(cli, broken):
    said = cli("failed", broken.workspace)
    assert said.status == 0
    assert said.out.splitlines() == [
        "rewrite b.tar: shard b.tar is odd; mend it",
        "    reading b.tar",
        "1 pieces of work failed, 0 samples are quarantined",
    ]
    assert f"failed       1; see unlearnable failed {broken.workspace}" in cli("status", broken.workspace).out


@pytest.mark.parametrize(
    ("process", "elsewhere", "told"),
    [
        (os.getpid(), False, "process {} on here"),
        (2**22 + 1, False, "process {} on here, which was killed: the next run takes over at once"),
        (2**22 + 1, True, "process {} on here, unless it was killed"),
    ],
    ids=["alive", "dead", "elsewhere"],
)
def test_status_says_whether_the_run_that_holds_a_destination_lives(cli, broken, process, elsewhere, told):
    of_machine = "another boot" if elsewhere else machine.identity()
    began = machine.began(process) or "1"
    run = Holder(run="r", host="here", machine=of_machine, process=process, began=began)
    job = Folder(str(broken.workspace)).load("job.json", Job).job
    Folder(str(broken.destination)).save(lease.LOCK, RunLock(job=job, run="r", beat=1))
    Folder(str(broken.workspace)).save("running/r.json", run)
    assert f"running      {told.format(process)}\n" in cli("status", broken.workspace).out


def test_status_counts_no_shard_that_is_gone_from_the_source(cli, two_shards):
    two_shards.put("c.tar", shard(4, first=8))
    assert cli(*two_shards.protect).status == 0
    (two_shards.source / "b.tar").unlink()
    assert cli(*two_shards.protect).status == 0
    found = cli("status", two_shards.workspace, "--json").json
    assert (found["indexed_shards"], found["rewritten_shards"], found["protected"]) == (2, 2, 8)
    assert (found["published"], found["orphans"]) == (True, ["b.tar"])


def test_status_counts_indexed_shards_before_there_is_a_manifest(cli, two_shards):
    assert cli(*two_shards.protect).status == 0
    (two_shards.workspace / "dataset" / "manifest.json").unlink()
    found = cli("status", two_shards.workspace, "--json").json
    assert (found["indexed_shards"], found["rewritten_shards"]) == (2, 0)


def test_status_counts_no_shard_that_is_to_be_done_again(cli, broken):
    broken.mend()
    assert cli("rerun", broken.workspace).status == 0
    kept = Folder(str(broken.workspace)).load(CONFIG, KeptConfig)
    take_back(Folder(str(broken.workspace)), "rewrite/a.tar.json", ProtectedShard)
    found = cli("status", broken.workspace, "--json").json
    assert (found["indexed_shards"], found["rewritten_shards"], found["protected"]) == (2, 1, 4)
    forget(kept.config, "rewrite", None)
    found = cli("status", broken.workspace, "--json").json
    assert (found["indexed_shards"], found["rewritten_shards"], found["protected"]) == (2, 0, 0)


def test_status_counts_no_shard_of_earlier_settings(cli, broken):
    def counted():
        found = cli("status", broken.workspace, "--json").json
        return found["rewritten_shards"], found["protected"]

    other = [*broken.protect, "--epsilon", 6]
    broken.mend()
    assert cli(*broken.protect).status == 0
    assert counted() == (2, 8)
    broken.fail()
    assert cli(*other).status == 1
    assert counted() == (1, 4)
    broken.mend()
    assert cli(*other).status == 0
    assert counted() == (2, 8)


def test_a_rerun_does_the_failed_shard_and_skips_the_finished_one(cli, broken):
    before = (broken.destination / "a.tar").stat().st_mtime_ns
    assert cli("rerun", broken.workspace).status == 1
    assert "(2 times)" in cli("failed", broken.workspace).out
    broken.mend()
    said = cli("rerun", broken.workspace, "--json")
    assert said.status == 0, said
    assert (said.json["shards"], said.json["skipped_shards"]) == (2, 1)
    assert (broken.destination / "a.tar").stat().st_mtime_ns == before
    assert cli("failed", broken.workspace, "--json").json == {"failures": [], "quarantined": []}


def test_a_rerun_from_a_stage_does_it_again_with_the_same_bytes(cli, broken):
    broken.mend()
    assert cli("rerun", broken.workspace).status == 0
    before, times = tree(broken.destination), (broken.destination / "a.tar").stat().st_mtime_ns
    said = cli("rerun", broken.workspace, "--from", "noise", "--json")
    assert (said.json["shards"], said.json["skipped_shards"]) == (2, 0)
    assert tree(broken.destination) == before
    assert (broken.destination / "a.tar").stat().st_mtime_ns > times


def test_a_run_that_is_tried_again_lets_go_of_finished_work_once(cli, broken):
    broken.mend()
    assert cli("rerun", broken.workspace).status == 0
    kept = Folder(str(broken.workspace)).load(CONFIG, KeptConfig)
    marker = broken.workspace / "rewrite" / "a.tar.json"

    @flow
    def tried_twice():
        found = []
        for _ in range(2):
            stage.forget(kept.config, "rewrite")
            found.append(marker.read_bytes() == done)
            marker.write_bytes(done)
        return found

    done = marker.read_bytes()
    for _run in range(2):
        assert tried_twice() == [False, True]


def test_relative_places_are_found_again_from_another_folder(cli, two_shards, monkeypatch, tmp_path):
    monkeypatch.chdir(two_shards.root)
    words = ("protect", "source", "protected", "--workspace", "private", "--method", "random")
    assert cli(*words).status == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    said = cli("rerun", two_shards.workspace, "--json")
    assert said.json["skipped_shards"] == 2
    assert list(Path.cwd().iterdir()) != [] or Path.cwd() == two_shards.root


@pytest.mark.parametrize(
    ("words", "needle"),
    [
        (("rerun", "nowhere"), "nowhere is no workspace of a job"),
        (("failed", "nowhere"), "nowhere is no workspace of a job"),
        (("rerun", "nowhere", "--from", "fit"), "--from fit is no stage; give one of shard, match, noise, rewrite"),
    ],
)
def test_what_is_no_workspace_or_no_stage_is_named(cli, words, needle, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    said = cli(*words)
    assert (said.status, needle in said.error) == (2, True), said
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_spelled_otherwise_is_the_same_source(cli, broken, monkeypatch):
    broken.mend()
    assert cli(*broken.protect).status == 0
    monkeypatch.chdir(broken.source.parent)
    for spelled in (f"{broken.source}/", f"file://{broken.source}", broken.source.name, f"./{broken.source.name}/"):
        arguments = [spelled if each == broken.source else each for each in broken.protect]
        assert arguments != broken.protect
        said = cli(*arguments, "--json")
        assert (said.status, said.json["skipped_shards"]) == (0, 2), said
        noises = [*(broken.workspace / "noise").glob("*/record.json")]
        assert len(noises) == 1
        assert cli("plan", *arguments[1:], "--json").json["done_shards"] == 2
