"""Options arrive: what the product sends to a real server, as a proxy in front of it sees it."""

import contextlib

import pytest
import s3fs
from fsspec.config import conf, set_conf_env

from infra.errors import StorageError
from infra.storage import Folder
from tests.faults.proxy import FaultProxy, Plan

pytestmark = pytest.mark.s3


def header(proxy, name, method):
    return [request.headers.get(name) for request in proxy.seen if request.method == method]


def test_parameters_of_what_is_written_arrive(s3, options, proxied):
    proxy = proxied()
    options(
        {
            "s3://published": {
                "acl": "bucket-owner-full-control",
                "extra": {"StorageClass": "STANDARD", "Metadata": {"made-by": "a test"}},
            },
            "s3://private": {"requester_pays": True},
        }
    )
    Folder("s3://published/x").write("a", b"1")
    assert header(proxy, "x-amz-acl", "PUT") == ["bucket-owner-full-control"]
    assert header(proxy, "x-amz-storage-class", "PUT") == ["STANDARD"]
    assert s3.head_object(Bucket="published", Key="x/a")["Metadata"] == {"made-by": "a test"}
    assert Folder("s3://published/x").read("a") == b"1"
    assert header(proxy, "x-amz-request-payer", "GET") == [None]

    Folder("s3://private/x").write("a", b"1")
    assert Folder("s3://private/x").read("a") == b"1"
    assert header(proxy, "x-amz-acl", "PUT")[1:] == [None]
    assert header(proxy, "x-amz-request-payer", "GET") == [None, "requester"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"server_side_encryption": "AES256"}, ("AES256", None)),
        ({"server_side_encryption": "aws:kms", "sse_kms_key_id": "the-key"}, ("aws:kms", "the-key")),
    ],
    ids=["AES256", "aws:kms"],
)
def test_encryption_is_asked_for_in_puts_and_uploads_in_parts(s3, options, proxied, given, sent):
    """The server of the tests has no keys for it and may refuse: what counts is that it was asked."""
    proxy = proxied()
    options({"s3://published": {**given, "part_size": 5 << 20}})
    for size in (1, 11 << 20):
        with contextlib.suppress(StorageError):
            Folder("s3://published/x").write("a", b"x" * size)
    asked = [request for request in proxy.seen if request.method == "PUT" or "uploads" in request.target]
    asked = [request for request in asked if "partNumber" not in request.target]
    assert len(asked) >= 2
    name = "x-amz-server-side-encryption"
    for request in asked:
        assert (request.headers.get(name), request.headers.get(f"{name}-aws-kms-key-id")) == sent


def test_endpoint_and_region_of_a_place_go_before_the_environments(s3, server, options, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with FaultProxy(server.endpoint) as proxy:
        options(
            {
                "s3://published": {"endpoint_url": proxy.url, "region": "eu-central-7"},
                "s3://published/other": {"endpoint_url": server.endpoint},
            }
        )
        Folder("s3://published/x").write("a", b"1")
        assert [request.target for request in proxy.seen] == ["/published/x/a"]
        assert "/eu-central-7/s3/aws4_request" in proxy.seen[0].headers["authorization"]
        Folder("s3://published/other").write("b", b"1")
        assert len(proxy.seen) == 1
    with pytest.raises(StorageError, match="s3://private/x"):
        Folder("s3://private/x").write("a", b"1")


def test_keys_come_from_the_profile_that_is_named(s3, server, options, monkeypatch, tmp_path):
    file = tmp_path / "credentials"
    file.write_text(f"[buckets]\naws_access_key_id={server.access}\naws_secret_access_key={server.secret}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    options({"s3://": {"profile": "buckets"}})
    Folder("s3://published/x").write("a", b"1")
    options({"s3://": {"profile": "nobody's"}})
    with pytest.raises(StorageError, match="nobody's") as caught:
        Folder("s3://published/x").read("a")
    assert not caught.value.transient


def test_fsspecs_own_configuration_still_counts(s3, server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setitem(conf, "s3", {})
    with FaultProxy(server.endpoint) as proxy:
        monkeypatch.setenv("FSSPEC_S3", '{"config_kwargs": {"user_agent_extra": "of-the-test"}}')
        monkeypatch.setenv("FSSPEC_S3_ENDPOINT_URL", proxy.url)
        set_conf_env(conf)
        s3fs.S3FileSystem.clear_instance_cache()
        Folder("s3://published/x").write("a", b"1")
        assert len(proxy.seen) == 1
        assert "of-the-test" in proxy.seen[0].headers["user-agent"]


@pytest.mark.parametrize(("given", "tries"), [({}, 3), ({"max_attempts": 1}, 1), ({"max_attempts": 5}, 5)])
def test_a_busy_server_is_asked_so_often_and_no_more(s3, options, proxied, given, tries):
    options({"s3://published": given})
    proxy = proxied(Plan(rates={"503": 1.0}))
    with pytest.raises(StorageError) as caught:
        Folder("s3://published/x").write("a", b"1")
    assert caught.value.transient
    assert "Slow Down" in str(caught.value)
    assert proxy.plan.done["503"] == tries


@pytest.mark.parametrize("fault", ["500", "503", "reset", "slow", "swallowed"])
def test_a_fault_that_passes_is_not_noticed(s3, options, proxied, fault):
    options({"s3://": {"read_timeout": 2}})
    proxy = proxied(Plan(rates={fault: 1.0}, most=1))
    Folder("s3://published/x").write("a", b"1")
    assert Folder("s3://published/x").read("a") == b"1"
    assert proxy.plan.done[fault] == 1


def test_a_silent_server_is_given_up_after_the_time_that_was_set(s3, options, proxied):
    options({"s3://": {"read_timeout": 0.5, "max_attempts": 2}})
    proxy = proxied(Plan(rates={"slow": 1.0}), slow=30)
    with pytest.raises(StorageError, match="AWS_ENDPOINT_URL") as caught:
        Folder("s3://published/x").info("a")
    assert caught.value.transient
    assert 2 <= proxy.plan.done["slow"] <= 4, "HEAD, and perhaps the listing that s3fs makes of it, twice each"


@pytest.mark.parametrize(("status", "act"), [("404", "read"), ("403", "write")])
def test_what_will_not_pass_is_asked_once(s3, server, proxied, monkeypatch, status, act):
    proxy = proxied()
    if status == "403":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StorageError) as caught:
        Folder("s3://published/x").read("gone") if act == "read" else Folder("s3://published/x").write("a", b"1")
    assert not caught.value.transient
    assert "None" not in str(caught.value)
    assert len(proxy.seen) == 1
