"""What S3 takes beyond a filesystem's verbs: whole reads, conditional puts, and the parts of broken uploads.

`fs` is an s3fs.S3FileSystem, `path` is BUCKET/KEY. Errors are the libraries' own; storage_errors puts them in words.
"""

import contextlib
import errno
import hashlib
import random
import re
import time
import uuid
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from fsspec.asyn import sync

from infra.media import media_type
from infra.storage_errors import answer_of, broke_off, is_of_network

_MARK = "unlearnable-write"  # metadata of a conditional put: whose it was, if the answer is lost
_CONFLICT = {"ConditionalRequestConflict", "OperationAborted", "409"}  # AWS: two at a time, try again
_FAILED = {"PreconditionFailed", "412", "NoSuchKey"}  # the last: what If-Match was about is gone
_PUT_TRIES = 5
_READ_TRIES = 3
_MD5 = re.compile(r"[0-9a-f]{32}")
# Buckets, by filesystem, in which an ETag has been the MD5 of its object: there, another MD5 means other bytes.
_with_md5: "weakref.WeakKeyDictionary[Any, set[str]]" = weakref.WeakKeyDictionary()


def read(fs: Any, path: str) -> bytes:
    """All bytes of an object, of one state of it, by one GET.

    Ranges side by side, as s3fs reads large objects, may come from two states and are not measured, and are no
    faster within a data centre. A body that breaks off or is not what its MD5 promises is asked for again.
    """
    bucket, doubted = fs.split_path(path)[0], ""
    for attempt in range(_READ_TRIES):
        got: Any = sync(fs.loop, _get, fs, path)
        data, promised = got
        if isinstance(data, Exception):
            if attempt == _READ_TRIES - 1:
                raise data
            time.sleep(_pause(attempt))
            continue
        if promised is None:
            return data
        # Here, in the caller's thread: the loop that carries all transfers has no time to sum.
        found = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if promised == found:
            _with_md5.setdefault(fs, set()).add(bucket)
        elif found != doubted or bucket in _with_md5.get(fs, ()):
            doubted = found
            continue
        return data  # the same again: the ETag is something else here
    raise OSError(errno.EIO, "its bytes are not those that its ETag tells of")


def content_type(name: str) -> dict[str, str]:
    """What a put has to say so that a browser knows what the object `name` is; {} where it need not know."""
    found = media_type(name)
    return {} if found is None else {"ContentType": found}


async def _get(fs: Any, path: str) -> tuple[bytes | Exception, str | None]:
    """An object's bytes, and the MD5 that the server promises or None.

    An answer that broke off or stalled gives its error, to be asked for again; what else went wrong is raised, for the
    library has tried that again itself.
    """
    bucket, key, version = fs.split_path(path)
    which = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
    try:
        answer = await fs._call_s3("get_object", **which)
    except Exception as error:
        if broke_off(error):  # in the middle of what the server had to say
            return error, None
        raise
    try:
        async with answer["Body"] as body:
            data = await body.read()
    except Exception as error:
        if is_of_network(error) or isinstance(error, ConnectionError | TimeoutError):
            return error, None
        raise
    if len(data) != answer["ContentLength"]:
        return ConnectionError(f"{len(data)} of {answer['ContentLength']} bytes came"), None
    return data, _promised(answer)


def _promised(answer: Mapping[str, Any]) -> str | None:
    """The MD5 that the answer's ETag is, None where it can't be one: an upload in parts, encryption by keys."""
    etag = bare(answer.get("ETag"))
    other = answer.get("SSECustomerAlgorithm") or str(answer.get("ServerSideEncryption")).startswith("aws:kms")
    return None if other or not _MD5.fullmatch(etag) else etag


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


def require(fs: Any, name: str) -> None:
    """Raise what the server says when a bucket can't be listed: it is not there, not ours to see, or in trouble.

    HeadBucket, which s3fs would ask, gives no reason, and is refused where the requester pays.
    """
    fs.call_s3("list_objects_v2", Bucket=name, MaxKeys=1)


def abort_uploads(fs: Any, path: str) -> int:
    """Abort the multi-part uploads below `path` (BUCKET or BUCKET/PREFIX) that nobody has completed; how many.

    Parts of a killed upload are kept, and paid for, until somebody does. Other prefixes are left alone, and so is all
    where the rights to list uploads are missing or the server has no such call.
    """
    bucket, _, prefix = path.partition("/")
    uploads = list(_uploads(fs, bucket, f"{prefix}/" if prefix else ""))
    for upload in uploads:
        with contextlib.suppress(FileNotFoundError):  # completed or aborted in the meantime
            fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    return len(uploads)


def _uploads(fs: Any, bucket: str, prefix: str) -> Iterator[dict[str, str]]:
    start: dict[str, str] = {}
    while True:
        try:
            page = fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix, **start)
        except (FileNotFoundError, PermissionError):  # no such bucket; uploads are not ours to see
            return
        except OSError as error:
            if error.errno == errno.ENOSYS:
                return
            raise
        yield from (upload for upload in page.get("Uploads", []) if upload["Key"].startswith(prefix))
        if not page.get("IsTruncated"):
            return
        start = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


def _put_if(fs: Any, path: str, data: bytes, condition: Mapping[str, str]) -> bool | None:
    bucket, key, _ = fs.split_path(path)
    mark = uuid.uuid4().hex
    for attempt in range(_PUT_TRIES):
        try:
            fs.call_s3("put_object", Bucket=bucket, Key=key, Body=data, Metadata={_MARK: mark}, **condition)
        except OSError as error:
            code, _ = answer_of(error)
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
            if attempt == _PUT_TRIES - 1:
                raise
            time.sleep(_pause(attempt))
        else:
            return True
    return False


def _pause(attempt: int) -> float:
    """Seconds to wait before another try: up to twice as long each time, at random, so that nobody marches in step."""
    return random.uniform(0, 0.2 * 2**attempt)  # noqa: S311 - guards nothing
