"""Files on a disk that are there whole or not at all: written under another name first."""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = ".tmp-"
# What os.link says where names can't be linked: FAT, some network and user-space filesystems.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}


def write(target: Path, data: bytes, mode: int = 0o666) -> None:
    """Put `data` at `target`, whatever was there."""
    with _beside(target, data, mode) as temporary:
        os.replace(temporary, target)


def create(target: Path, data: bytes) -> bool:
    """Put `data` at `target` when nothing is there, else return False. Of several writers exactly one is told True.

    Where names can't be linked it looks and then writes, so that two writers at the same moment may both be told True.
    """
    if os.path.lexists(target):
        return False
    with _beside(target, data, 0o666) as temporary:
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
