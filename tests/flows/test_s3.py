"""The same flow in buckets, on a server that runs anywhere; tests/s3 asks a real one, where there are rights for it."""

import boto3
import pytest
import s3fs
from moto.server import ThreadedMotoServer

from flows.evaluate import evaluate
from flows.protect import protect
from infra.errors import DataError, StorageError
from infra.storage import Folder
from schemas.dataset import SourceSpec
from schemas.evaluate import EvaluateConfig
from schemas.recipe import TinyRecipe
from schemas.victims import TinyVictim
from tasks.rewrite.audit import audit
from tasks.shard import source
from tests.faults.proxy import FaultProxy, Plan
from tests.s3.places import buckets, environment, job, objects, one_line, shards, upload
from tests.tasks.rewrite.helpers import TWO_PHASE, config_of, folder_source, protect_all, shards_of, tar_source

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch, tmp_path):
    """Credentials for the server of these tests, and one try a request."""
    environment(monkeypatch, tmp_path, "testing", "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def s3(endpoint, monkeypatch):
    """A client of a server with three empty buckets."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with buckets(boto3.client("s3", endpoint_url=endpoint)) as client:
        yield client


@pytest.mark.parametrize("layout", [folder_source, tar_source], ids=["folder", "tar shards"])
def test_a_bucket_is_protected_verified_and_skipped_when_run_again(s3, tmp_path, layout, states):
    source = layout(tmp_path / "in")
    upload(s3, source)
    config = job(tmp_path)
    before = objects(s3, "originals")
    summary = protect(config)
    assert (summary.samples, summary.protected, summary.shards, summary.skipped_shards) == (12, 12, 3, 0)

    assert objects(s3, "originals") == before
    out = objects(s3, "published")
    assert sorted(out) == ["x/README.md", "x/manifest.json", *(f"x/train-{i:06d}.tar" for i in range(3))]
    assert all(key.startswith("x/") for key in objects(s3, "private"))
    found = audit(Folder("s3://published/x"), SourceSpec(url="s3://originals/x"))
    assert (found.problems, found.samples, found.changed) == ([], 12, 12)

    states.clear()
    summary = protect(config)
    assert summary.skipped_shards == summary.shards == 3
    assert states == {"shards": ["Cached"] * 6}
    assert objects(s3, "published") == out


def test_a_bucket_and_a_disk_get_the_same_bytes(s3, tmp_path):
    source = folder_source(tmp_path / "in")
    upload(s3, source)
    local = config_of(tmp_path, source)
    protect_all(local)
    protect(job(tmp_path))
    assert shards(s3) == shards_of(local.destination)


def test_no_word_of_source_workspace_or_key_goes_to_the_published_bucket(s3, tmp_path):
    upload(s3, folder_source(tmp_path / "in"))
    protect(job(tmp_path, key_file=None))
    secret = s3.get_object(Bucket="private", Key="x/secret.key")["Body"].read().strip()
    assert len(secret) == 64
    for what in (secret, b"s3://originals", b"s3://private", str(tmp_path).encode()):
        assert [key for key, (data, _) in objects(s3, "published").items() if what in data] == []


def test_lost_and_new_objects_cost_what_they_cost_on_a_disk(s3, tmp_path):
    upload(s3, tar_source(tmp_path / "in"))
    config = job(tmp_path, method=TWO_PHASE)
    protect(config)
    before = objects(s3, "published")
    s3.delete_object(Bucket="published", Key="x/train-000001.tar")
    upload(s3, tar_source(tmp_path / "more", shards=1, first=3))
    summary = protect(config)
    assert (summary.shards, summary.skipped_shards) == (4, 2)
    after = objects(s3, "published")
    assert all(after[key][0] == before[key][0] for key in before if key.endswith(".tar"))
    assert audit(Folder("s3://published/x"), SourceSpec(url="s3://originals/x")).problems == []


def test_a_protected_bucket_is_evaluated(s3, tmp_path):
    upload(s3, folder_source(tmp_path / "in"))
    upload(s3, folder_source(tmp_path / "test", per_class=3, first=50), prefix="test")
    protect(job(tmp_path))
    victim = TinyVictim(widths=(4, 8, 8, 8), recipe=TinyRecipe(epochs=1, batch_size=8))
    config = EvaluateConfig(
        protected=("s3://published/x",),
        clean=SourceSpec(url="s3://originals/x"),
        test=SourceSpec(url="s3://originals/test"),
        workspace="s3://private/evaluation",
        victims=(victim,),
        seeds=1,
        device="cpu",
    )
    result = evaluate(config)
    assert [run.method for run in result.runs] == ["none", "random"]
    assert result.report.report.startswith("s3://private/evaluation/reports/")
    assert any(key.endswith("report.html") for key in objects(s3, "private"))


def test_a_missing_source_bucket_is_named(s3, tmp_path):
    config = job(tmp_path).model_copy(update={"source": SourceSpec(url="s3://nowhere/x")})
    with pytest.raises(Exception, match="s3://nowhere/x") as caught:
        protect(config)
    assert one_line(caught)
    assert caught.type.__name__ in ("StorageError", "DataError")


PLACES = ["s3://originals", "s3://originals/", "s3://originals/*.tar"]


@pytest.mark.parametrize("url", PLACES)
@pytest.mark.parametrize(("status", "said", "transient"), [("503", "Slow Down", True), ("403", "no permission", False)])
def test_a_servers_trouble_at_the_root_of_a_bucket_is_not_an_empty_bucket(
    s3, endpoint, monkeypatch, url, status, said, transient
):
    with FaultProxy(endpoint, Plan(rates={status: 1.0})) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        with pytest.raises(StorageError, match=said) as caught:
            source.plan(SourceSpec(url=url))
    assert url in one_line(caught)
    assert caught.value.transient is transient


@pytest.mark.parametrize("url", PLACES)
def test_a_closed_port_at_the_root_of_a_bucket_may_pass(monkeypatch, url):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="AWS_ENDPOINT_URL") as caught:
        source.plan(SourceSpec(url=url))
    assert caught.value.transient


@pytest.mark.parametrize("url", ["s3://nowhere", "s3://nowhere/x", "s3://nowhere/*.tar"])
def test_a_source_bucket_that_is_not_there_is_told_from_an_empty_one(s3, url):
    with pytest.raises(StorageError, match="nothing is there; check the name and the bucket"):
        source.plan(SourceSpec(url=url))
    with pytest.raises(DataError, match="no dataset at s3://originals; give a folder"):
        source.plan(SourceSpec(url="s3://originals"))


@pytest.mark.parametrize("place", ["destination", "workspace"])
def test_a_missing_bucket_to_write_to_is_named(s3, tmp_path, place):
    upload(s3, folder_source(tmp_path / "in"))
    with pytest.raises(StorageError, match="s3://nowhere/x") as caught:
        protect(job(tmp_path).model_copy(update={place: "s3://nowhere/x"}))
    assert "check" in one_line(caught)
    assert "manifest.json" not in str(objects(s3, "published"))


def test_an_endpoint_that_refuses_is_tried_again_and_told_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageError, match="AWS_ENDPOINT_URL") as caught:
        protect(job(tmp_path))
    assert "s3://" in one_line(caught)
    assert caught.value.transient


def test_missing_credentials_are_told_in_one_line_and_not_tried_again(s3, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageError, match="AWS_ACCESS_KEY_ID") as caught:
        protect(job(tmp_path))
    assert "s3://" in one_line(caught)
    assert not caught.value.transient


def test_an_orphan_that_was_stored_anew_with_another_etag_stays(s3, tmp_path):
    source = tar_source(tmp_path / "in")
    upload(s3, source)
    protect(job(tmp_path))
    gone = "x/train-000002.tar"
    s3.delete_object(Bucket="originals", Key=gone)
    before = shards(s3)
    assert protect(job(tmp_path)).orphans_kept == ("train-000002.tar",)
    # As a restored copy or one of another storage class has: the same bytes, stored in parts.
    start = s3.create_multipart_upload(Bucket="published", Key=gone)["UploadId"]
    which = {"Bucket": "published", "Key": gone, "UploadId": start}
    tag = s3.upload_part(**which, PartNumber=1, Body=before["train-000002.tar"])["ETag"]
    s3.complete_multipart_upload(**which, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    for _ in range(2):
        assert protect(job(tmp_path)).orphans_kept == ("train-000002.tar",)
    assert shards(s3) == before
