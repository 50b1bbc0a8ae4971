"""A bucket of datasets: each is protected once, and again only what is new or changed; failures stop no other."""

import json
import shutil
from pathlib import Path

import pytest

import flows.protect_bucket
from flows.protect import protect
from flows.protect_bucket import protect_bucket
from flows.status import look_at_bucket, look_for_failures
from infra.errors import ConfigurationError, DataError
from infra.storage import Folder
from schemas.bucket import BucketConfig, BucketSummary
from schemas.dataset import SourceSpec
from tasks.rewrite.audit import audit
from tests.flows.cli_helpers import tree
from tests.tasks.rewrite.helpers import CLASS_WISE, folder_source, tar_source

pytestmark = pytest.mark.usefixtures("prefect_server")


class Killed(BaseException):
    """No error that anybody handles: the run is over."""


METHODS = {"random": {"kind": "random"}, "class-wise": CLASS_WISE.model_dump(mode="json")}


@pytest.fixture
def bucket(tmp_path):
    """A bucket of three datasets: a tree with a bad picture, shards, and shards of two splits."""
    root = tmp_path / "in"
    folder_source(root / "pets")
    (root / "pets" / "cat" / "broken.png").write_bytes(b"no picture")
    tar_source(root / "signs", shards=2)
    for path in tar_source(root / "faces", shards=2).iterdir():
        path.rename(path.with_name(path.name.replace("train-000001", "test-000000")))
    (root / "notes.txt").write_text("nothing of ours")
    return root


def config(bucket, **changes):
    job = {"method": {"kind": "random"}, "device": "cpu", "workers": 2, **changes.pop("job", {})}
    key = bucket.parent / "key.txt"
    key.write_text("a key for the tests\n")
    fields = {
        "bucket": str(bucket),
        "destination": str(bucket.parent / "out"),
        "workspace": str(bucket.parent / "private"),
        "source": {"shard_size": 5, "max_bad_share": 0.2},
        "job": {**job, "key_file": str(key)},
    }
    return BucketConfig.model_validate({**fields, **changes})


def done(summary):
    """Shards, and shards done before, of each dataset."""
    return {each.name: (each.summary.shards, each.summary.skipped_shards) for each in summary.datasets}


def test_all_datasets_are_protected_and_pass_their_audits(bucket):
    summary = protect_bucket(config(bucket))
    assert done(summary) == {"faces/test": (1, 0), "faces/train": (1, 0), "pets": (3, 0), "signs": (2, 0)}
    assert (summary.strays, summary.stray_count, summary.gone) == (("notes.txt",), 1, ())
    out = bucket.parent / "out"
    for name, source in {"pets": "pets", "signs": "signs", "faces/test": "faces", "faces/train": "faces"}.items():
        assert audit(Folder(str(out / name)), SourceSpec(url=str(bucket / source))).problems == [], name
    assert sorted(path.name for path in out.iterdir()) == ["faces", "pets", "signs"]
    assert next(each.summary.quarantined for each in summary.datasets if each.name == "pets") == 1


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_next_run_costs_what_is_new(bucket, method):
    job = config(bucket, job={"method": method})
    protect_bucket(job)
    before = tree(bucket.parent / "out")
    again = protect_bucket(job)
    assert done(again) == {"faces/test": (1, 1), "faces/train": (1, 1), "pets": (3, 3), "signs": (2, 2)}
    assert tree(bucket.parent / "out") == before

    tar_source(bucket / "signs", shards=1, first=2)
    summary = protect_bucket(job)
    assert done(summary) == {**done(again), "signs": (3, 2)}
    after = tree(bucket.parent / "out")
    assert {name for name in after if after[name] != before.get(name)} == {
        "signs/train-000002.tar",
        "signs/manifest.json",
        "signs/README.md",
    }


def test_a_changed_parameter_redoes_what_depends_on_it(bucket):
    (bucket / "datasets.yaml").write_text("datasets: [{name: pets}, {name: signs}]")
    protect_bucket(config(bucket))
    (bucket / "datasets.yaml").write_text(
        "datasets: [{name: pets}, {name: signs, job: {coverage: {fraction: 0.5}}, source: {label_field: kind}}]"
    )
    assert done(protect_bucket(config(bucket))) == {"pets": (3, 3), "signs": (2, 0)}


def test_one_dataset_that_fails_stops_no_other_and_is_done_next_time(bucket):
    shard = bucket / "signs" / "train-000001.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"1/4 datasets failed: signs: .*train-000001\.tar is truncated or damaged"):
        protect_bucket(config(bucket))
    workspace = Folder(str(bucket.parent / "private"))
    status = look_at_bucket(workspace)
    assert {name: one.published for name, one in status.datasets.items()} == {
        "faces/test": True,
        "faces/train": True,
        "pets": True,
        "signs": False,
    }
    found = look_for_failures(workspace)
    assert [(one.dataset, one.failure.stage, one.failure.item) for one in found.failures] == [
        ("signs", "index", "train-000001.tar")
    ]
    assert "truncated or damaged" in found.failures[0].failure.reason
    assert [(one.dataset, one.source) for one in found.quarantined] == [("pets", "cat/broken.png")]

    shard.write_bytes(whole)
    assert done(protect_bucket(config(bucket)))["signs"] == (2, 0)
    assert look_for_failures(workspace).failures == ()


def test_a_dataset_that_is_gone_is_named_and_its_copy_stays(bucket):
    protect_bucket(config(bucket))
    shutil.rmtree(bucket / "signs")
    before = tree(bucket.parent / "out" / "signs")
    for _ in range(2):
        summary = protect_bucket(config(bucket))
        assert summary.gone == ("signs",)
        assert "signs" not in done(summary)
    assert tree(bucket.parent / "out" / "signs") == before


def test_a_dataset_that_a_killed_run_knew_is_named_when_it_is_gone(bucket, monkeypatch):
    job, began = config(bucket), []

    def until_the_third(*given, **options):
        began.append(given)
        if len(began) == 3:
            raise Killed
        return protect(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(flows.protect_bucket, "protect", until_the_third)
        with pytest.raises(Killed):
            protect_bucket(job)
    assert {each.name for each in known(bucket).datasets} == {"faces/test", "faces/train", "pets", "signs"}
    assert {each.error for each in known(bucket).failed} == {"not finished"}
    for name in ("faces", "signs"):
        shutil.rmtree(bucket / name)
    summary = protect_bucket(job)
    assert set(summary.gone) == {"faces/test", "faces/train", "signs"}
    assert (done(summary), summary.failed) == ({"pets": (3, 0)}, ())


def known(bucket):
    return Folder(str(bucket.parent / "private")).load("bucket.json", BucketSummary)


def test_what_is_added_gives_no_dataset_another_name(bucket):
    shutil.rmtree(bucket / "faces")
    protect_bucket(config(bucket))
    before = tree(bucket.parent / "out")
    shutil.copy(bucket / "signs" / "train-000000.tar", bucket / "signs" / "test-000000.tar")
    with pytest.raises(ConfigurationError, match="was dataset signs until now, and its names tell signs/t"):
        protect_bucket(config(bucket))
    assert tree(bucket.parent / "out") == before
    listed = [{"name": name} for name in ("pets", "signs")]
    (bucket / "datasets.yaml").write_text(json.dumps({"datasets": listed}))
    assert done(protect_bucket(config(bucket))) == {"pets": (3, 3), "signs": (2, 2)}


def test_a_split_that_is_removed_gives_no_other_a_name(bucket):
    shutil.copy(bucket / "signs" / "train-000001.tar", bucket / "signs" / "val-000000.tar")
    shutil.copy(bucket / "signs" / "train-000001.tar", bucket / "signs" / "test-000000.tar")
    only = ["signs/train", "signs/test", "signs/val"]
    protect_bucket(config(bucket, only=only))
    (bucket / "signs" / "val-000000.tar").unlink()
    summary = protect_bucket(config(bucket, only=only[:2]))
    assert summary.gone == ("signs/val",)
    assert done(summary) == {"signs/test": (1, 1), "signs/train": (2, 2)}


def test_a_first_run_that_could_do_nothing_binds_no_workspace(bucket):
    (bucket.parent / "taken").write_text("no folder")
    with pytest.raises(DataError, match="datasets failed"):
        protect_bucket(config(bucket, destination=str(bucket.parent / "taken"), only=["signs"]))
    assert done(protect_bucket(config(bucket, only=["signs"]))) == {"signs": (2, 0)}


def test_one_destination_is_the_same_from_wherever_it_is_named(bucket, monkeypatch):
    monkeypatch.chdir(bucket.parent)
    protect_bucket(config(bucket, destination="out", only=["signs"]))
    (bucket.parent / "elsewhere").mkdir()
    monkeypatch.chdir(bucket.parent / "elsewhere")
    assert done(protect_bucket(config(bucket, only=["signs"]))) == {"signs": (2, 2)}
    with pytest.raises(ConfigurationError, match="belongs to the destination"):
        protect_bucket(config(bucket, destination="out", only=["signs"]))


def test_only_those_that_are_named_are_done(bucket):
    assert done(protect_bucket(config(bucket, only=["pets"]))) == {"pets": (3, 0)}
    assert done(protect_bucket(config(bucket, only=["signs"]))) == {"pets": (3, 0), "signs": (2, 0)}
    with pytest.raises(ConfigurationError, match="no dataset called cats; it has faces"):
        protect_bucket(config(bucket, only=["cats"]))


@pytest.mark.parametrize(
    "places",
    [{"workspace": "out/private"}, {"destination": "in/out"}, {"workspace": "in/x"}, {"destination": "private/x"}],
)
def test_places_that_do_not_lie_apart_are_refused_before_anything_is_written(bucket, places):
    job = config(bucket, **{name: str(bucket.parent / place) for name, place in places.items()})
    before = tree(bucket)
    with pytest.raises(ConfigurationError, match="give"):
        protect_bucket(job)
    assert tree(bucket) == before
    assert not (bucket.parent / "out").exists()


def test_settings_that_no_job_can_have_are_refused_before_anything_is_written(bucket):
    job = config(bucket).job.model_dump(mode="json", exclude={"workers"})
    far = {**job, "runner": {"kind": "ray", "address": "192.0.2.200:6379"}}
    with pytest.raises(ConfigurationError, match=r"dataset \S+: .* cluster at 192\.0\.2\.200:6379 .*say with workers"):
        protect_bucket(BucketConfig.model_validate({**config(bucket).model_dump(mode="json"), "job": far}))
    assert not (bucket.parent / "out").exists()


def test_a_workspace_serves_one_destination(bucket):
    protect_bucket(config(bucket, only=["signs"]))
    before = tree(bucket.parent / "private")
    with pytest.raises(ConfigurationError, match=r"belongs to the destination .*/out; give"):
        protect_bucket(config(bucket, destination=str(bucket.parent / "elsewhere")))
    assert tree(bucket.parent / "private") == before
    assert not (bucket.parent / "elsewhere").exists()


def test_the_command_line_runs_tells_and_runs_again(bucket, cli):
    words = ("protect-bucket", bucket, bucket.parent / "out", "--workspace", bucket.parent / "private")
    options = ("--method", "random", "--shard-size", 5, "--max-bad-share", 0.2, "--only", "pets,signs")
    said = cli(*words, *options, "--json")
    assert said.status == 0, said
    assert [each["name"] for each in said.json["datasets"]] == ["pets", "signs"]
    assert [each["summary"]["shards"] for each in said.json["datasets"]] == [3, 2]

    said = cli("rerun", bucket.parent / "private")
    assert said.status == 0, said
    assert "signs: 8 of 8 pictures protected in 2 shards, 2 done before" in said.out
    assert "1 files belong to no dataset, such as notes.txt" in said.out

    said = cli("status", bucket.parent / "private")
    assert "pets: 3 of 3 shards, 12 samples protected" in said.out
    said = cli("failed", bucket.parent / "private", "--json")
    assert [(each["dataset"], each["source"]) for each in said.json["quarantined"]] == [("pets", "cat/broken.png")]
    assert Path(bucket.parent / "private" / "datasets" / "pets" / "job.json").exists()
