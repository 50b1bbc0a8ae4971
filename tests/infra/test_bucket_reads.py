"""Which failures of a read are tried again here, and which the S3 library has tried already."""

import hashlib

import aiohttp
import pytest
from botocore.exceptions import EndpointConnectionError, IncompleteReadError, ReadTimeoutError
from fsspec.asyn import get_loop

from infra import bucket

DATA = b"the bytes of an object"


class Server:
    """As much of an s3fs.S3FileSystem as a read needs; each of `plans` is what one request meets."""

    def __init__(self, *plans):
        self.loop, self.plans, self.requests = get_loop(), list(plans), 0

    def split_path(self, path):
        return (*path.split("/", 1), None)

    async def _call_s3(self, verb, **which):
        assert (verb, which) == ("get_object", {"Bucket": "b", "Key": "k"})
        plan = self.plans[min(self.requests, len(self.plans) - 1)]
        self.requests += 1
        if isinstance(plan, tuple):
            raise plan[0]
        return {"Body": Body(plan), "ContentLength": len(DATA), "ETag": f'"{hashlib.md5(DATA).hexdigest()}"'}


class Body:
    def __init__(self, plan):
        self.plan = plan

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        pass

    async def read(self):
        if isinstance(self.plan, Exception):
            raise self.plan
        return self.plan


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    monkeypatch.setattr(bucket, "_pause", lambda attempt: 0.0)


BROKEN = [
    TimeoutError(),
    ReadTimeoutError(endpoint_url="http://s3"),
    IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ConnectionResetError("gone"),
    DATA[:5],
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: type(one).__name__)
def test_a_body_that_stalls_or_breaks_off_is_asked_for_again(broken):
    server = Server(broken, broken, DATA)
    assert bucket.read(server, "b/k") == DATA
    assert server.requests == 3


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: type(one).__name__)
def test_three_such_bodies_are_an_error(broken):
    server = Server(broken)
    with pytest.raises((OSError, ReadTimeoutError, IncompleteReadError)):
        bucket.read(server, "b/k")
    assert server.requests == 3


def test_a_refusal_that_breaks_off_is_asked_for_again():
    server = Server((aiohttp.ClientPayloadError("117 of 235 bytes"),), DATA)
    assert bucket.read(server, "b/k") == DATA
    assert server.requests == 2


def test_a_server_that_can_not_be_reached_is_not_tried_again_here():
    server = Server((EndpointConnectionError(endpoint_url="http://s3"),))
    with pytest.raises(EndpointConnectionError):
        bucket.read(server, "b/k")
    assert server.requests == 1


def test_where_an_etag_is_something_else_the_same_bytes_twice_are_proof():
    server = Server(b"x" * len(DATA))
    assert bucket.read(server, "b/k") == b"x" * len(DATA)
    assert server.requests == 2
