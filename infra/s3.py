"""What S3 can do beyond a filesystem's verbs: put an object only under a condition.

`fs` is an s3fs.S3FileSystem, `path` is BUCKET/KEY. Errors are s3fs's own; storage_errors puts them in words.
"""

import contextlib
import errno
import random
import time
import uuid
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

_MARK = "unlearnable-write"  # metadata of a conditional put: whose it was, if the answer is lost
_CONFLICT = {"ConditionalRequestConflict", "OperationAborted", "409"}  # AWS: two at a time, try again
_FAILED = {"PreconditionFailed", "412", "NoSuchKey"}  # the last: what If-Match was about is gone
_TRIES = 5


def create(fs: Any, path: str, data: bytes) -> bool | None:
    """Put `data` when there is no object, by If-None-Match; False when there is one, None when the server can't.

    Looks first: some servers take the condition and don't heed it.
    """
    if head(fs, path) is not None:
        return False
    return _put_if(fs, path, data, {"IfNoneMatch": "*"})


def replace(fs: Any, path: str, data: bytes, etag: str) -> bool | None:
    """Put `data` when the object still has this ETag, by If-Match; False when it has not, None when the server can't.

    `etag` is bare. Some servers compare it with its quotes and some without, so what has failed with quotes is tried
    without them while the object is still the same.
    """
    for condition in (f'"{etag}"', etag):
        found = head(fs, path)
        if found is None or bare(found["ETag"]) != etag:
            return False
        done = _put_if(fs, path, data, {"IfMatch": condition})
        if done is not False:
            return done
    return False


def bare(etag: Any) -> str:
    """An ETag without its quotes."""
    return str(etag).strip('"')


def head(fs: Any, path: str) -> dict[str, Any] | None:
    """The server's description of the object, or None when there is none."""
    with contextlib.suppress(FileNotFoundError):
        bucket, key, _ = fs.split_path(path)
        return dict(fs.call_s3("head_object", Bucket=bucket, Key=key))
    return None


def _put_if(fs: Any, path: str, data: bytes, condition: Mapping[str, str]) -> bool | None:
    bucket, key, _ = fs.split_path(path)
    mark = uuid.uuid4().hex
    for attempt in range(_TRIES):
        try:
            fs.call_s3("put_object", Bucket=bucket, Key=key, Body=data, Metadata={_MARK: mark}, **condition)
        except OSError as error:
            code = _code(error)
            if error.errno == errno.ENOSYS:
                return None
            if code not in _FAILED | _CONFLICT:
                raise
            # An answer may be lost after the put was done, and the library tries again: then it is ours that is there.
            found = head(fs, path)
            if found is not None and found.get("Metadata", {}).get(_MARK) == mark:
                return True
            if code in _FAILED:
                return False
            if attempt == _TRIES - 1:
                raise
            time.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - spreads tries, guards nothing
        else:
            return True
    return False


def _code(error: OSError) -> str:
    cause = error.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""
