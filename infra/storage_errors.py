"""What a filesystem raises, as a StorageError in one line: which place, why, the mend, and whether it may pass."""

import contextlib
import errno
from collections.abc import Iterator
from typing import Any

from infra.errors import StorageError

# A server's trouble (s3fs makes EREMOTEIO of 500 and EBUSY of 503) and a network's: trying again may help.
_TRANSIENT = {
    errno.EIO,
    errno.EREMOTEIO,
    errno.EBUSY,
    errno.EAGAIN,
    errno.ETIMEDOUT,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.EPIPE,
    errno.ENETUNREACH,
}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# The network libraries' errors that may pass, by name: the libraries take half a second to import, and a job on local
# folders needs none of them.
_PASSING = {
    "aiohttp.ClientError",
    "botocore.ConnectionError",
    "botocore.FlexibleChecksumError",
    "botocore.HTTPClientError",
    "botocore.IncompleteReadError",
    "botocore.ResponseParserError",
    "urllib3.HTTPError",
}
# Bytes lost or changed on their way up, which the server has refused, and an upload that was swept away under us.
_PASSING_CODES = {"BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "RequestTimeout", "NoSuchUpload"}


@contextlib.contextmanager
def storage_errors(verb: str, url: str) -> Iterator[None]:
    """Turn whatever a filesystem raises into a StorageError that names `url` and the mend."""
    try:
        yield
    except Exception as error:
        found = _translated(f"can't {verb} {url}", error)
        if found is None:
            raise
        try:
            raise found from error
        finally:
            del found  # a frame and an error that hold each other keep alive all that the callers' frames hold


def _translated(what: str, error: Exception) -> StorageError | None:
    """The error in our words, or None for one that is no filesystem's."""
    reason = _reason(error)
    if "Credentials" in type(error).__name__:
        mend = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
        return StorageError(f"{what}: {reason}", mend)
    if is_of_network(error):  # before OSError, which some of these are too
        mend = "check AWS_ENDPOINT_URL, the bucket's name and the network"
        return StorageError(f"{what}: {reason}", mend, transient=True)
    if "botocore.BotoCoreError" in _kinds(error) or _is_endpoint(error):
        return StorageError(f"{what}: {reason}", "check AWS_ENDPOINT_URL, the profile and the options of this place")
    return _of_system(what, error, reason) if isinstance(error, OSError) else None


def _of_system(what: str, error: OSError, reason: str) -> StorageError:
    if _is_passing(error):
        return StorageError(f"{what}: {reason}", "check the place", transient=True)
    if isinstance(error, FileNotFoundError):
        return StorageError(f"{what}: nothing is there", "check the name and the bucket")
    if isinstance(error, PermissionError):
        return StorageError(f"{what}: no permission ({reason})", "check the credentials and the rights on this place")
    if error.errno in _FULL:
        return StorageError(f"{what}: no space left", "free some space and run it again")
    return StorageError(f"{what}: {reason}", "check the place")


def _is_passing(error: OSError) -> bool:
    """True for what trying again may mend. What a server has said counts before what s3fs makes of it."""
    code, status = answer_of(error)
    if status:
        return code in _PASSING_CODES or status in (409, 429) or (status >= 500 and status != 501)
    return error.errno in _TRANSIENT or isinstance(error, ConnectionError | TimeoutError)


def _is_endpoint(error: Exception) -> bool:
    """True for botocore's complaint of a malformed endpoint, which has no type of its own."""
    return type(error) is ValueError and str(error).startswith("Invalid endpoint")


def _kinds(error: BaseException) -> set[str]:
    """The classes of an error as LIBRARY.CLASS."""
    return {f"{kind.__module__.split('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}


def is_of_network(error: BaseException) -> bool:
    """True when a network library says that a connection failed, broke off, or gave no sense."""
    return not _PASSING.isdisjoint(_kinds(error))


def broke_off(error: BaseException) -> bool:
    """True for an error of the transport itself: an answer that broke off, which the S3 library does not ask for again.

    What it has tried again comes as its own error.
    """
    return "aiohttp.ClientError" in _kinds(error)


def answer_of(error: BaseException) -> tuple[str, int]:
    """Code and HTTP status of the S3 server's answer that s3fs made `error` of; ("", 0) when it is of another kind."""
    answer = _answer(error)
    code = str(answer.get("Error", {}).get("Code", ""))
    return code, int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _answer(error: BaseException) -> dict[str, Any]:
    found: Any = getattr(error.__cause__, "response", None)
    return found if isinstance(found, dict) else {}


def _reason(error: Exception) -> str:
    said = _answer(error).get("Error", {})
    if said:  # some servers give a code and no message, and s3fs then says "None"
        return str(said.get("Message") or said.get("Code")).strip()
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
