"""Tar headers for which tarfile and webdataset need time or memory that grows with the square of their length.

Here such headers are refused before they are read, and names are cut by the same rule in one pass.
"""

import re
import tarfile
from collections.abc import Mapping

_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
# What names, times and the attributes of any filesystem take is less; the kernel's own limit for an attribute.
_MOST_STATED = 1 << 16
# tarfile goes over each run of digits once for every digit of it.
_LONG_NUMBER = re.compile(rb"[0-9]{200}")
_LENGTH = re.compile(rb"([0-9]{1,6}) ")
# What no archive states of all of its members; tarfile would, and each would have a copy.
_OF_ONE = frozenset(["path", "linkpath", "size"])
_MOST_GLOBAL = 1000  # what global headers may state; archives of git's have one such statement


class HeaderError(tarfile.ReadError):
    """A header that is refused unread; the text is the reason."""


class Header(tarfile.TarInfo):
    """A header as tarfile reads it, but for extended ones that are too long or ill-formed: those raise HeaderError."""

    def _proc_member(self, tarfile: tarfile.TarFile) -> tarfile.TarInfo:
        """Tarfile's entry to what a member's type asks for, which its source gives to subclasses."""
        if self.type in _EXTENDED or self.type in _LONG:
            if not 0 <= self.size <= _MOST_STATED:
                raise HeaderError(f"a header of it states {self.size} bytes, where {_MOST_STATED} are the most")
            if self.type in _EXTENDED:
                file = tarfile.fileobj
                start = file.tell()
                _require_records(file.read(self.size))
                file.seek(start)
        return super()._proc_member(tarfile)  # type: ignore[misc]

    def _proc_gnusparse_10(self, next: tarfile.TarInfo, *_: object) -> None:
        """Note that a file is sparse, which is all that anybody asks; its map may be as long as the archive."""
        next.sparse = []  # type: ignore[attr-defined]


def require_few(stated: Mapping[str, str]) -> None:
    """Raise HeaderError when the global headers so far state what would be copied into each member."""
    if len(stated) > _MOST_GLOBAL or not _OF_ONE.isdisjoint(stated):
        raise HeaderError("it states too much for all of its members")


def _require_records(stated: bytes) -> None:
    """Raise HeaderError unless a pax header is records `LENGTH KEY=VALUE` and a line break, one behind the other."""
    if _LONG_NUMBER.search(stated):
        raise HeaderError("a header of it states a number of 200 digits or more")
    at = 0
    while at < len(stated) and stated[at]:
        length = _LENGTH.match(stated, at)
        end = at + int(length[1]) if length else 0
        if length is None or stated[end - 1 : end] != b"\n" or stated.find(b"=", length.end(), end) <= length.end():
            raise HeaderError("a header of it is ill-formed")
        at = end


def key_and_extension(name: str) -> tuple[str, str] | tuple[None, None]:
    """What webdataset's `base_plus_ext` gives: a member's name before and behind the first dot of its last part."""
    dot = name.find(".", name.rfind("/") + 1)
    line = name.find("\n")
    # Folders in front may have dots; but its pattern takes no line break for a part of one.
    start = name.rfind("/", 0, min(dot - 1, line) if line >= 0 else dot - 1) + 1 if dot > 0 else 0
    if dot <= 0 or "." in name[start:dot]:
        return None, None
    return name[:dot], name[dot + 1 :]
