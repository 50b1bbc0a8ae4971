"""Which failures may pass: what s3fs makes of a server's answer, and what the network libraries raise."""

import contextlib
import errno
import gc
import weakref

import aiohttp
import pytest
from botocore.exceptions import (
    ClientError,
    FlexibleChecksumError,
    IncompleteReadError,
    NoRegionError,
    ParamValidationError,
    ProfileNotFound,
    ProxyConnectionError,
    ResponseStreamingError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from fsspec.exceptions import FSTimeoutError
from s3fs.errors import translate_boto_error
from s3fs.utils import FileExpired

from infra.errors import StorageError
from infra.storage_errors import storage_errors


def told(error):
    """The StorageError that is made of `error`."""
    with pytest.raises(StorageError) as caught, storage_errors("read", "s3://bucket/x"):
        raise error
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("can't read s3://bucket/x")
    assert "None" not in text
    return caught.value


def answered(code, status, message="what the server says"):
    """The error that s3fs makes of a server's answer."""
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return translate_boto_error(ClientError(answer, "GetObject"))


PASSING = [
    ("SlowDown", 503),
    ("ServiceUnavailable", 503),
    ("503", 503),
    ("InternalError", 500),
    ("500", 500),
    ("502", 502),
    ("504", 504),
    ("RequestTimeout", 400),
    ("BadDigest", 400),
    ("IncompleteBody", 400),
    ("XAmzContentSHA256Mismatch", 400),
    ("OperationAborted", 409),
    ("ConditionalRequestConflict", 409),
    ("TooManyRequests", 429),
    ("NoSuchUpload", 404),
]
FINAL = [
    ("AccessDenied", 403),
    ("403", 403),
    ("SignatureDoesNotMatch", 403),
    ("InvalidAccessKeyId", 403),
    ("RequestTimeTooSkewed", 403),
    ("ExpiredToken", 400),
    ("NoSuchKey", 404),
    ("NoSuchBucket", 404),
    ("404", 404),
    ("PermanentRedirect", 301),
    ("InvalidRequest", 400),
    ("AuthorizationHeaderMalformed", 400),
    ("EntityTooLarge", 400),
    ("MethodNotAllowed", 405),
    ("PreconditionFailed", 412),
    ("NotImplemented", 501),
    ("SomethingNew", 400),
]


@pytest.mark.parametrize("message", ["what the server says", None], ids=["said", "unsaid"])
@pytest.mark.parametrize(("code", "status"), PASSING)
def test_a_servers_trouble_may_pass(code, status, message):
    assert told(answered(code, status, message)).transient


@pytest.mark.parametrize("message", ["what the server says", None], ids=["said", "unsaid"])
@pytest.mark.parametrize(("code", "status"), FINAL)
def test_a_servers_refusal_is_final(code, status, message):
    assert not told(answered(code, status, message)).transient


def test_a_refusal_without_a_message_shows_its_code():
    assert "no permission (SignatureDoesNotMatch)" in str(told(answered("SignatureDoesNotMatch", 403, None)))
    assert "PreconditionFailed" in str(told(answered("PreconditionFailed", 412, None)))


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ClientPayloadError("not all bytes came"),
        aiohttp.ServerTimeoutError(),
        FSTimeoutError(),
        TimeoutError(),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
        FlexibleChecksumError(error_msg="other bytes"),
        ResponseStreamingError(error="broke off"),
        ResponseParserError("no XML"),
        ProxyConnectionError(proxy_url="http://proxy"),
        SSLError(endpoint_url="https://s3", error="hand shake"),
        FileExpired("x", "etag"),
        ConnectionAbortedError(errno.ECONNABORTED, "gone"),
        OSError(errno.EREMOTEIO, "500"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_broken_connection_may_pass(error):
    assert told(error).transient


@pytest.mark.parametrize(
    "error",
    [
        ParamValidationError(report="Invalid bucket name"),
        ProfileNotFound(profile="nobody"),
        NoRegionError(),
        ValueError("Invalid endpoint: localhost"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_mistake_in_the_settings_is_final_and_says_where_to_look(error):
    found = told(error)
    assert not found.transient
    assert "AWS_ENDPOINT_URL" in found.mend


@pytest.mark.parametrize("error", [ValueError("ours"), KeyError("ours"), ZeroDivisionError()])
def test_a_mistake_of_ours_stays_what_it_is(error):
    with pytest.raises(type(error)), storage_errors("read", "s3://bucket/x"):
        raise error


def test_an_error_that_was_dealt_with_keeps_nothing_of_its_callers_alive():
    class Held:
        """As large as the tensors of a fit may be."""

    def asks(kept):
        assert kept
        with contextlib.suppress(StorageError), storage_errors("read", "s3://bucket/x"):
            raise FileNotFoundError

    held = Held()
    alive = weakref.ref(held)
    gc.disable()
    try:
        asks(held)
        del held
        assert alive() is None
    finally:
        gc.enable()
