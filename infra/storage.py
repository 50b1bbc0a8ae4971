"""One abstraction of a place: a folder on a disk, in a bucket or in memory, named by an fsspec URL.

An object is written whole or not at all: on a disk through a temporary file and a rename, in a bucket
by one put. Every failure comes out as a StorageError in one line.
"""

import contextlib
import errno
import hashlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from fsspec.core import url_to_fs
from pydantic import BaseModel, ValidationError

from infra.errors import ConfigurationError, DataError, StorageError
from schemas.urls import CREDENTIALS, INSTEAD, has_credentials

TEMPORARY = ".tmp-"
_Model = TypeVar("_Model", bound=BaseModel)
_TRANSIENT = {errno.EIO, errno.EBUSY, errno.EAGAIN, errno.ETIMEDOUT, errno.ECONNRESET, errno.EPIPE, errno.ENETUNREACH}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def storage_errors(verb: str, url: str) -> Iterator[None]:
    """Turn whatever a filesystem raises into a StorageError that names `url` and the mend."""
    try:
        yield
    except FileNotFoundError as error:
        raise StorageError(f"can't {verb} {url}: nothing is there", "check the name and the bucket") from error
    except PermissionError as error:
        mend = "check the credentials and the rights on this place"
        raise StorageError(f"can't {verb} {url}: no permission ({_reason(error)})", mend) from error
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(f"can't {verb} {url}: no space left", "free some space and run it again") from error
        if _is_of_network(error):
            raise _network_error(verb, url, error) from error
        transient = error.errno in _TRANSIENT or isinstance(error, ConnectionError | TimeoutError)
        raise StorageError(f"can't {verb} {url}: {_reason(error)}", "check the place", transient) from error
    except Exception as error:
        if "Credentials" in type(error).__name__:
            mend = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
            raise StorageError(f"can't {verb} {url}: {_reason(error)}", mend) from error
        if _is_of_network(error):
            raise _network_error(verb, url, error) from error
        raise


def _is_of_network(error: Exception) -> bool:
    """True for an error of a network library; some of these (timeouts of botocore's) are OSErrors as well."""
    return type(error).__module__.split(".")[0] in {"botocore", "aiobotocore", "aiohttp", "urllib3"}


def _network_error(verb: str, url: str, error: Exception) -> StorageError:
    mend = "check AWS_ENDPOINT_URL, the bucket's name and the network"
    return StorageError(f"can't {verb} {url}: {_reason(error)}", mend, transient=True)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()


@dataclass(frozen=True)
class Folder:
    """A place that holds objects, by fsspec URL or local path (`~` is expanded)."""

    url: str

    @cached_property
    def _place(self) -> tuple[fsspec.AbstractFileSystem, str]:
        if has_credentials(self.url):
            scheme = self.url.partition("://")[0]
            raise ConfigurationError(f"an address {scheme}://... can't be used: {CREDENTIALS}", INSTEAD)
        try:
            options: dict[str, Any] = {"use_listings_cache": False} if self.url.startswith("s3") else {}
            fs, path = url_to_fs(os.path.expanduser(self.url), **options)
        except (ValueError, ImportError) as error:
            known = "a path, or a URL such as s3://bucket/name"
            raise ConfigurationError(
                f"{self.url} names no place that can be reached: {error}", f"give {known}"
            ) from error
        return fs, path.rstrip("/")

    @property
    def fs(self) -> fsspec.AbstractFileSystem:
        """The filesystem that the place lies on."""
        return self._place[0]

    @property
    def path(self) -> str:
        """The place's path on `fs`, without a slash at its end."""
        return self._place[1]

    @property
    def is_local(self) -> bool:
        """True when the place is a folder of this machine."""
        protocol = self.fs.protocol
        return "file" in ([protocol] if isinstance(protocol, str) else protocol)

    def child(self, name: str) -> "Folder":
        """The folder `name` in this one."""
        return Folder(self.object_url(name))

    def object_url(self, name: str) -> str:
        """URL of the object `name` (relative, may have slashes)."""
        return f"{self.url.rstrip('/')}/{name}"

    def object_path(self, name: str) -> str:
        """Path on `fs` of the object `name`."""
        return f"{self.path}/{name}"

    def identity(self) -> str:
        """One text for one place, however it was written: to tell whether two places are the same or nested."""
        if self.is_local:
            return "file://" + os.path.realpath(self.path or "/")
        protocol = self.fs.protocol
        return f"{protocol if isinstance(protocol, str) else protocol[0]}://{self.path.lstrip('/')}"

    def holds(self, other: "Folder") -> bool:
        """True when `other` is this place or lies in it."""
        mine, theirs = self.identity().rstrip("/") + "/", other.identity().rstrip("/") + "/"
        return theirs.startswith(mine)

    def read(self, name: str) -> bytes:
        """All bytes of the object `name`. Raises StorageError."""
        url = self.object_url(name)
        with storage_errors("read", url):
            data: Any = self.fs.cat_file(self.object_path(name))
            return bytes(data)

    def read_optional(self, name: str) -> bytes | None:
        """All bytes of the object `name`, or None when there is none. Raises StorageError for all else."""
        try:
            return self.read(name)
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def write(self, name: str, data: bytes, private: bool = False) -> None:
        """Put the object `name`, whole or not at all. Raises StorageError.

        `private`: on a disk, a file that its owner alone can read, from its first byte on.
        """
        url = self.object_url(name)
        with storage_errors("write", url):
            if self.is_local:
                _write_local(Path(self.object_path(name)), data, 0o600 if private else 0o666)
            else:
                self.fs.pipe_file(self.object_path(name), data)

    def delete(self, name: str) -> None:
        """Remove the object `name`; it is no error when there is none. Raises StorageError."""
        with storage_errors("delete", self.object_url(name)), contextlib.suppress(FileNotFoundError):
            self.fs.rm_file(self.object_path(name))

    def info(self, name: str) -> dict[str, Any] | None:
        """What the filesystem says of the object `name`, or None when there is none."""
        with storage_errors("look at", self.object_url(name)):
            try:
                return dict(self.fs.info(self.object_path(name)))
            except FileNotFoundError:
                return None

    def list(self) -> dict[str, dict[str, Any]]:
        """All objects below, by relative name, sorted, with what the filesystem says of each; {} when there are none.

        Temporary files of an interrupted write are left out.
        """
        with storage_errors("list", self.url):
            try:
                found: Any = self.fs.find(self.path, detail=True)
            except FileNotFoundError:
                return {}
            if self.is_local and not os.access(self.path, os.R_OK | os.X_OK) and os.path.exists(self.path):
                raise PermissionError(errno.EACCES, "the folder can't be read")
        start = len(self.path) + 1
        names = {path[start:]: dict(info) for path, info in sorted(found.items()) if info["type"] == "file"}
        return {name: info for name, info in names.items() if name and not _is_temporary(name)}

    def sweep(self) -> None:
        """Remove what interrupted writes left on a disk."""
        if self.is_local and os.path.isdir(self.path):
            for leftover in Path(self.path).rglob(f"{TEMPORARY}*"):
                with storage_errors("delete", str(leftover)):
                    leftover.unlink(missing_ok=True)

    def load(self, name: str, model: type[_Model]) -> _Model | None:
        """The record `name` as `model`, or None when there is none. Raises DataError when it is not one."""
        data = self.read_optional(name)
        if data is None:
            return None
        try:
            return model.model_validate_json(data)
        except ValidationError as error:
            url = self.object_url(name)
            problem = f"{url} is no {model.__name__} of this version ({error.errors()[0]['msg']})"
            raise DataError(problem, "remove it, or use the version that wrote it") from error

    def save(self, name: str, record: BaseModel) -> None:
        """Write a record as indented JSON. Raises StorageError."""
        self.write(name, encoded(record))


def encoded(record: BaseModel) -> bytes:
    """A record as it is stored: indented JSON."""
    return (record.model_dump_json(indent=2) + "\n").encode()


def _is_temporary(name: str) -> bool:
    return name.rsplit("/", 1)[-1].startswith(TEMPORARY)


def _write_local(target: Path, data: bytes, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def fingerprint(info: dict[str, Any]) -> str:
    """A text that changes when an object's bytes change: its ETag where there is one, else size and time."""
    etag = info.get("ETag")
    if etag:
        return f"etag {str(etag).strip(chr(34))} {info.get('size')}"
    changed = info.get("mtime") or info.get("created") or ""
    return f"size {info.get('size')} changed {changed}"


def sha256(data: bytes) -> str:
    """SHA-256 of `data`, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()
