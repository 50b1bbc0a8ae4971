"""The whole job in buckets of a real server, and who may do what there."""

import json

import pytest
import s3fs

from flows.protect import protect
from infra.errors import StorageError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from tasks.rewrite.audit import audit
from tests.s3 import places
from tests.s3.places import job, objects, one_line, shards, upload
from tests.tasks.rewrite.helpers import TWO_PHASE, config_of, folder_source, protect_all, shards_of, tar_source

pytestmark = [pytest.mark.s3, pytest.mark.usefixtures("prefect_server")]


def test_a_bucket_is_protected_and_the_second_run_finds_all_done(s3, tmp_path, states):
    source = tar_source(tmp_path / "in")
    upload(s3, source)
    config = job(tmp_path, method=TWO_PHASE)
    before = objects(s3, "originals")
    summary = protect(config)
    assert (summary.samples, summary.protected, summary.shards, summary.skipped_shards) == (12, 12, 3, 0)
    assert objects(s3, "originals") == before
    out = objects(s3, "published")
    assert sorted(out) == ["x/README.md", "x/manifest.json", *(f"x/train-{i:06d}.tar" for i in range(3))]
    found = audit(Folder("s3://published/x"), SourceSpec(url="s3://originals/x"))
    assert (found.problems, found.samples) == ([], 12)

    states.clear()
    summary = protect(config)
    assert summary.skipped_shards == summary.shards == 3
    assert states == {"shards": ["Cached"] * 6}
    assert objects(s3, "published") == out

    local = config_of(tmp_path / "disk", source, method=TWO_PHASE, key_file=config.key_file)
    protect_all(local)
    assert shards(s3) == shards_of(local.destination)


def test_a_dataset_of_folders_gets_the_same_bytes_as_on_a_disk(s3, tmp_path):
    source = folder_source(tmp_path / "in")
    upload(s3, source)
    config = job(tmp_path)
    protect(config)
    local = config_of(tmp_path / "disk", source, key_file=config.key_file)
    protect_all(local)
    assert shards(s3) == shards_of(local.destination)


def test_a_wrong_secret_key_is_told_in_one_line_and_not_tried_again(s3, proxied, monkeypatch, tmp_path):
    upload(s3, tar_source(tmp_path / "in"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-one")
    proxy = proxied()
    with pytest.raises(StorageError, match="no permission") as caught:
        protect(job(tmp_path))
    assert "s3://" in one_line(caught)
    assert "not-the-one" not in one_line(caught)
    assert not caught.value.transient
    assert len(proxy.seen) <= 2
    assert objects(s3, "published") == objects(s3, "private") == {}


def test_an_unknown_access_key_is_told_in_one_line(s3, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    with pytest.raises(StorageError, match="no permission") as caught:
        protect(job(tmp_path))
    assert "s3://" in one_line(caught)
    assert not caught.value.transient


def allow(server, s3, bucket, user, *actions):
    """Let a user do so much in a bucket, and no more."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam:::user/{user}"]},
        "Action": [f"s3:{action}" for action in actions],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


READ = ("GetObject", "ListBucket")
WRITE = (*READ, "PutObject", "DeleteObject")


@pytest.fixture
def worker(server, s3, monkeypatch):
    """The product as a user who owns no bucket."""
    access, secret = server.user("worker")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    s3fs.S3FileSystem.clear_instance_cache()
    return "worker"


def test_a_user_who_may_only_read_the_source_protects_it(server, s3, worker, tmp_path):
    upload(s3, tar_source(tmp_path / "in"))
    allow(server, s3, "originals", worker, *READ)
    for bucket in ("published", "private"):
        allow(server, s3, bucket, worker, *WRITE)
    assert protect(job(tmp_path)).shards == 3
    with pytest.raises(StorageError, match="no permission") as caught:
        Folder("s3://originals/x").write("a", b"1")
    assert not caught.value.transient


@pytest.mark.parametrize("bucket", places.BUCKETS)
def test_a_missing_right_is_named_and_nothing_is_published(server, s3, worker, proxied, tmp_path, bucket):
    upload(s3, tar_source(tmp_path / "in"))
    rights = {"originals": READ, "published": WRITE, "private": WRITE}
    rights[bucket] = () if bucket == "originals" else READ
    for name, actions in rights.items():
        if actions:
            allow(server, s3, name, worker, *actions)
    proxy = proxied()
    with pytest.raises(StorageError, match=rf"s3://{bucket}/x.*no permission") as caught:
        protect(job(tmp_path))
    assert "rights" in one_line(caught)
    assert not caught.value.transient
    refused = [request.target for request in proxy.seen if request.target.startswith(f"/{bucket}")]
    writes = [request for request in proxy.seen if request.method == "PUT" and request.target.startswith(f"/{bucket}")]
    assert refused
    assert len(writes) <= 1, "what was refused was tried again"
    assert objects(s3, "published") == {}


@pytest.mark.parametrize("place", ["source", "destination", "workspace"])
def test_a_missing_bucket_is_named(s3, tmp_path, place):
    upload(s3, tar_source(tmp_path / "in"))
    nowhere = "s3://no-such-bucket/x"
    changed = SourceSpec(url=nowhere) if place == "source" else nowhere
    with pytest.raises(Exception, match=nowhere) as caught:
        protect(job(tmp_path).model_copy(update={place: changed}))
    assert caught.type.__name__ in ("StorageError", "DataError")
    assert one_line(caught)
    assert objects(s3, "published") == {}
