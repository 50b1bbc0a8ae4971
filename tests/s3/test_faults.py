"""Protect runs through faults of network and server: the right bytes, or a clear error and nothing published."""

import itertools
import threading
import time

import pytest

from flows.protect import protect
from infra.errors import UnlearnableError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from tasks.rewrite.audit import audit
from tests.faults import tally
from tests.faults.proxy import KINDS, Plan
from tests.s3.places import job, objects, shards, upload, uploads
from tests.tasks.rewrite.helpers import config_of, protect_all, shards_of, tar_source

pytestmark = [pytest.mark.s3, pytest.mark.usefixtures("prefect_server")]
SHARDS = 6
# A fault in every tenth request it fits; slow answers cost time, so there are fewer.
RATES = dict.fromkeys(KINDS, 0.1) | {"slow": 0.05}
MIXTURE = dict.fromkeys(KINDS, 0.02)


@pytest.fixture
def bucket(s3, tmp_path, options):
    """A source in its bucket; (job, the bytes that an unbroken run on a disk gives)."""
    source = tar_source(tmp_path / "in", shards=SHARDS)
    upload(s3, source)
    options({"s3://": {"read_timeout": 2}})
    config = job(tmp_path)
    local = config_of(tmp_path / "disk", source, key_file=config.key_file)
    protect_all(local)
    return config, shards_of(local.destination)


def attempt(config):
    """What came of a run: the one line that it failed with, or nothing."""
    problem = ""
    try:
        protect(config)
    except UnlearnableError as error:
        problem = str(error)
    assert "\n" not in problem
    return problem


def published_or_nothing(s3, expected):
    """A destination with a manifest is right in each byte; without one it is not finished, and no shard is a part."""
    found = shards(s3)
    assert all(data == expected[name] for name, data in found.items())
    if "x/manifest.json" in objects(s3, "published"):
        assert found == expected


def finished(s3, expected):
    assert shards(s3) == expected
    assert audit(Folder("s3://published/x"), SourceSpec(url="s3://originals/x")).problems == []
    assert uploads(s3, "published") == []


@pytest.mark.parametrize("kind", [*KINDS, "mixture"])
def test_a_run_through_faults_gives_the_bytes_of_an_unbroken_one(s3, bucket, proxied, kind):
    config, expected = bucket
    rates = MIXTURE if kind == "mixture" else {kind: RATES[kind]}
    proxy = proxied(Plan(seed=11, rates=rates))
    problems = []
    for _ in range(4):
        problem = attempt(config)
        published_or_nothing(s3, expected)
        if not problem:
            break
        problems.append(problem)
    else:
        pytest.fail(f"not one of four runs came through: {problems}")
    faults = sum(proxy.plan.done.values())
    assert faults >= 3, f"only {faults} faults in {len(proxy.seen)} requests"
    finished(s3, expected)
    runs = len(problems) + 1
    outcome = "same bytes" if runs == 1 else f"clear error, then same bytes in run {runs}"
    for one, count in sorted(proxy.plan.done.items()):
        tally.record(one if kind != "mixture" else f"mixture: {one}", count, outcome)


def test_a_server_that_only_fails_is_told_in_one_line_and_nothing_is_published(s3, bucket, proxied):
    config, _ = bucket
    proxy = proxied(Plan(rates={"500": 1.0}))
    problem = attempt(config)
    assert "s3://" in problem
    assert proxy.plan.done["500"] >= 3
    assert objects(s3, "published") == objects(s3, "private") == {}
    tally.record("500 to every request", proxy.plan.done["500"], "clear error, nothing published")


def test_bytes_that_are_always_wrong_are_never_published(s3, bucket, proxied):
    """No connection of TLS would let them through; what is left are the ETag's MD5 and the hashes of the shards."""
    config, _ = bucket
    proxy = proxied(Plan(rates={"garbled": 1.0}, only=lambda request: request.target.endswith("s/x/train-000003.tar")))
    Folder("s3://originals/x").read("train-000000.tar")
    problem = attempt(config)
    published = objects(s3, "published")
    assert "train-000003.tar" in problem
    assert "x/manifest.json" not in published
    assert "x/train-000003.tar" not in published
    tally.record("garbled, each time", proxy.plan.done["garbled"], "clear error, nothing published")


def test_bytes_that_change_on_the_way_where_no_md5_tells_are_told_by_the_shards_hash(s3, bucket, proxied):
    """The ETag of an upload in parts is no MD5, so the first to notice is the hash that the index keeps."""
    config, expected = bucket
    key = "x/train-000003.tar"
    in_one_part(s3, key)
    reads = itertools.count()
    later = lambda request: request.target.endswith(f"originals/{key}") and next(reads) > 0  # noqa: E731
    proxy = proxied(Plan(rates={"garbled": 1.0}, most=1, only=later))
    problem = attempt(config)
    assert "train-000003.tar changed since it was indexed" in problem
    assert "x/train-000003.tar" not in objects(s3, "published")
    assert attempt(config) == ""
    assert proxy.plan.done["garbled"] == 1
    finished(s3, expected)
    tally.record("garbled, without an MD5", 1, "clear error, then same bytes in run 2")


def in_one_part(s3, key, bucket="originals"):
    """Put an object again by an upload in parts."""
    data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    given = {"Bucket": bucket, "Key": key, "UploadId": upload}
    part = s3.upload_part(**given, PartNumber=1, Body=data)
    s3.complete_multipart_upload(**given, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})


@pytest.mark.parametrize("moment", [0.3, 1.0, 2.0])
def test_a_server_killed_in_the_middle_loses_nothing(server, s3, bucket, moment):
    config, expected = bucket
    killed = threading.Event()

    def kill():
        time.sleep(moment)
        server.run("stop", "-9")
        killed.set()
        time.sleep(1)
        server.run("restart")

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        first = attempt(config)
    finally:
        killer.join(180)
    assert killed.is_set()
    published_or_nothing(s3, expected)
    assert attempt(config) == ""
    finished(s3, expected)
    tally.record("kill -9 of the server", 1, "clear error, then same bytes" if first else "same bytes")
