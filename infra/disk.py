"""Files on a disk: there whole or not at all, written under another name first; and listed with links followed."""

import contextlib
import errno
import os
import re
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fsspec.utils import glob_translate

TEMPORARY = ".tmp-"
_OF_SYSTEM = (".", "lost+found")  # folders that others may not read, and that hold no data of ours
# What os.link says where names can't be linked: FAT, some network and user-space filesystems.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}


def write(target: Path, data: bytes, mode: int = 0o666) -> None:
    """Put `data` at `target`, whatever was there."""
    with _beside(target, data, mode) as temporary:
        os.replace(temporary, target)


def create(target: Path, data: bytes, mode: int = 0o666) -> bool:
    """Put `data` at `target` when nothing is there, else return False. Of several writers exactly one is told True.

    Where names can't be linked it looks and then writes, so that two writers at the same moment may both be told True.
    """
    if os.path.lexists(target):
        return False
    with _beside(target, data, mode) as temporary:
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(target):
                return False
            os.replace(temporary, target)
    return True


@contextlib.contextmanager
def _beside(target: Path, data: bytes, mode: int) -> Iterator[Path]:
    """A file of `data` on the disk beside `target`, gone afterwards if it still has its own name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def files(root: str, depth: int | None = None) -> dict[str, dict[str, Any]]:
    """All files below a folder by their names in it, with what an fsspec filesystem says of one; {} without the folder.

    `depth` bounds how many folders down they lie. Links are followed, but not back into a folder that they lie in. One
    that leads nowhere is listed as if it were a file: whoever reads it hears of it. Raises OSError for a folder that
    can't be read, but for hidden ones and those of the system.
    """
    found: dict[str, dict[str, Any]] = {}
    waiting: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    while waiting:
        folder, above = waiting.pop()
        try:
            here = Path(root, folder).stat()
            entries = [] if (here.st_dev, here.st_ino) in above else list(os.scandir(f"{root}/{folder}"))
        except FileNotFoundError:  # removed in the meantime
            continue
        except PermissionError as error:
            if folder.rstrip("/").rpartition("/")[2].startswith(_OF_SYSTEM):
                continue
            raise PermissionError(errno.EACCES, f"folder {folder.rstrip('/') or '.'} can't be read") from error
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and Path(entry.path).is_dir()):
                if depth is None or folder.count("/") < depth:
                    waiting.append((f"{folder}{entry.name}/", above | {(here.st_dev, here.st_ino)}))
            elif (info := _info(entry.path)) is not None:
                found[folder + entry.name] = info
    return found


def glob(root: str, pattern: str) -> dict[str, dict[str, Any]]:
    """All files that a pattern (an absolute path, whose wildcards lie below `root`) names, by path, as `files` does."""
    depth = None if "**" in pattern else pattern[len(root) + 1 :].count("/")
    matches = re.compile(glob_translate(pattern)).match
    found = {f"{root}/{name}": info for name, info in files(root or "/", depth).items()}
    return {path: info for path, info in found.items() if matches(path)}


def _info(path: str) -> dict[str, Any] | None:
    """What an fsspec filesystem says of a file, of a link what it leads to; None for what is no file."""
    try:
        told = Path(path).stat()
    except OSError:
        try:
            link = Path(path).lstat()
        except FileNotFoundError:  # removed in the meantime
            return None
        if not stat.S_ISLNK(link.st_mode):
            raise
        return _described(path, link, 0)
    return _described(path, told, told.st_size) if stat.S_ISREG(told.st_mode) else None


def _described(path: str, told: os.stat_result, size: int) -> dict[str, Any]:
    return {"name": path, "type": "file", "size": size, "created": told.st_ctime, "mtime": told.st_mtime}
