"""One abstraction of a place: a folder on a disk, in a bucket or in memory, named by an fsspec URL.

An object is written whole or not at all: on a disk through a temporary file and a rename, in a bucket
by one put. Every failure comes out as a StorageError in one line.
"""

import contextlib
import hashlib
import os
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from pydantic import BaseModel, ValidationError

from infra import bucket, disk
from infra.disk import TEMPORARY
from infra.errors import DataError, StorageError
from infra.storage_errors import storage_errors
from infra.storage_options import filesystem, place_options

_Model = TypeVar("_Model", bound=BaseModel)
# Where a place has no conditional put, the writers of this process at least take turns.
_turns = threading.Lock()


@dataclass(frozen=True)
class Folder:
    """A place that holds objects, by fsspec URL or local path (`~` is expanded)."""

    url: str

    @cached_property
    def _place(self) -> tuple[fsspec.AbstractFileSystem, str]:
        return filesystem(self.url)

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
        return "file" in self._protocols

    @property
    def is_s3(self) -> bool:
        """True when the place lies on an S3 server."""
        return "s3" in self._protocols

    @property
    def _protocols(self) -> tuple[str, ...]:
        protocol = self.fs.protocol
        return (protocol,) if isinstance(protocol, str) else tuple(protocol)

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
        return f"{self._protocols[0]}://{self.path.lstrip('/')}"

    def holds(self, other: "Folder") -> bool:
        """True when `other` is this place or lies in it."""
        mine, theirs = self.identity().rstrip("/") + "/", other.identity().rstrip("/") + "/"
        return theirs.startswith(mine)

    def read(self, name: str) -> bytes:
        """All bytes of the object `name`. Raises StorageError."""
        url = self.object_url(name)
        with storage_errors("read", url):
            path = self.object_path(name)
            data: Any = bucket.read(self.fs, path) if self.is_s3 else self.fs.cat_file(path)
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
                disk.write(Path(self.object_path(name)), data, 0o600 if private else 0o666)
            elif self.is_s3:
                part = place_options(self.url).part_size
                self.fs.pipe_file(self.object_path(name), data, chunksize=part, **bucket.content_type(name))
            else:
                self.fs.pipe_file(self.object_path(name), data)

    def create(self, name: str, data: bytes, private: bool = False) -> bool:
        """Put the object `name` when there is none; True when it was put, False when there was one. `private` as above.

        On a disk and on an S3 server with conditional writes exactly one of several writers is told True, wherever
        they run; elsewhere of those in one process, for it looks, writes and reads back. Raises StorageError.
        """
        path = self.object_path(name)
        with storage_errors("write", self.object_url(name)):
            if self.is_local:
                return disk.create(Path(path), data, 0o600 if private else 0o666)
            done = bucket.create(self.fs, path, data) if self.is_s3 else None
            if done is not None:
                return done
            with _turns:
                if self.info(name) is not None:
                    return False
                self.write(name, data)
                return self.read(name) == data

    def replace(self, name: str, data: bytes, seen: str) -> bool:
        """Put the object `name` when its fingerprint is still `seen`; False when it is not or the object is gone.

        Certain on an S3 server with conditional writes; elsewhere it looks, writes and reads back. Raises StorageError.
        """
        path = self.object_path(name)
        with storage_errors("write", self.object_url(name)):
            info = self.info(name) if self.is_s3 else None
            if info is not None and fingerprint(info) == seen:
                done = bucket.replace(self.fs, path, data, bucket.bare(info["ETag"]))
                if done is not None:
                    return done
            with _turns:
                info = self.info(name)
                if info is None or fingerprint(info) != seen:
                    return False
                self.write(name, data)
                return self.read(name) == data

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

    def unchanged(self, name: str, size: int, digest: str, etag: str | None) -> dict[str, Any] | None:
        """`info` of the object `name` when it is there with these bytes, `digest` being their SHA-256; else None.

        In a bucket the ETag that it had when it was seen last is proof enough; without one it is read whole.
        """
        info = self.info(name)
        if info is None or info.get("size") != size:
            return None
        known = etag is not None and info.get("ETag") == etag
        return info if known or sha256(self.read(name)) == digest else None

    def list(self) -> dict[str, dict[str, Any]]:
        """All objects below, by relative name, sorted, with what the filesystem says of each; {} when there are none.

        Links on a disk are followed. Temporary files of an interrupted write are left out.
        """
        with storage_errors("list", self.url):
            found = disk.files(self.path or "/") if self.is_local else self._below()
        return {name: info for name, info in sorted(found.items()) if name and not _is_temporary(name)}

    def _below(self) -> dict[str, dict[str, Any]]:
        try:
            found: Any = self.fs.find(self.path, detail=True)
        except FileNotFoundError:
            return {}
        start = len(self.path) + 1
        return {path[start:]: dict(info) for path, info in found.items() if info["type"] == "file"}

    def sweep(self) -> None:
        """Remove what interrupted writes left below: temporary files on a disk, parts of uploads in a bucket.

        Nobody else may be writing here. Where the rights to see uploads are missing, or the server has none, they stay.
        """
        if self.is_s3:
            with storage_errors("sweep", self.url):
                bucket.abort_uploads(self.fs, self.path)
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
