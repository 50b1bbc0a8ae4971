"""Strict reading and deterministic writing of tar shards, held in memory.

tarfile and webdataset end silently at a cut or damaged header, with a part of the samples. Here the archive
must end as an archive ends: with blocks of zeros and nothing after them.
"""

import io
import re
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from webdataset.tariterators import base_plus_ext

from infra.errors import DataError

_GZIP = b"\x1f\x8b"
_GUNZIP = 16 + zlib.MAX_WBITS
_BLOCK = tarfile.BLOCKSIZE
_AGAIN = "copy it again from its origin"
_META = re.compile(r"__[^/]*__$")

Parts = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True)
class Member:
    """One member of an archive; `data` is None for a link, a device, a pipe or a sparse file: never followed."""

    name: str
    data: bytes | None


def members(data: bytes, name: str, max_bytes: int) -> list[Member]:
    """All members but folders, in order, of a plain or gzip tar; `name` is the shard's, for messages.

    Raises DataError when it is no tar archive, unpacks to more than `max_bytes`, is truncated or damaged.
    """
    plain = unpack(data, name, max_bytes)
    found: list[Member] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:", encoding="utf-8") as archive:
            for info in archive:
                _require_progress(archive, info, len(plain))
                if not info.isdir():
                    found.append(Member(info.name, _content(plain, info)))
            end = archive.offset
    except (tarfile.TarError, ValueError, KeyError, IndexError, OSError, RecursionError, struct.error) as error:
        if not found and not _has_header(plain):
            raise DataError(f"{name} is not a tar archive", "give .tar, .tar.gz or .tgz shards") from error
        raise _damaged(name, len(found)) from error
    if len(plain) < end + _BLOCK or plain.count(0, end) != len(plain) - end:
        raise _damaged(name, len(found))
    return found


def unpack(data: bytes, name: str, max_bytes: int) -> bytes:
    """The plain tar of a plain or gzip tar. Raises DataError when damaged or above `max_bytes`."""
    plain = b"".join(_gunzip(data, name, max_bytes)) if data.startswith(_GZIP) else data
    if len(plain) > max_bytes:
        raise _too_big(name, max_bytes)
    return plain


def group(found: Iterable[Member]) -> list[tuple[str, Parts]]:
    """Samples by WebDataset's convention: neighbours with the same key, each with its (extension, bytes).

    A leading `./` (as `tar -c .` writes it) belongs to no key. Hidden files and `__meta__` members are no
    samples; another name without an extension stands alone, with the extension "". Keys may come twice and
    so may extensions: that is for the caller to judge.
    """
    samples: list[tuple[str, list[tuple[str, bytes | None]]]] = []
    open_key: str | None = None
    for member in found:
        name = re.sub(r"^(\./)+", "", member.name)
        if name.rsplit("/", 1)[-1].startswith(".") or _META.match(name):
            continue
        key, extension = base_plus_ext(name)
        if key is None or extension is None:
            samples.append((name, [("", member.data)]))
        elif key == open_key:
            samples[-1][1].append((extension, member.data))
        else:
            samples.append((key, [(extension, member.data)]))
        open_key = key
    return [(key, tuple(parts)) for key, parts in samples]


def build(samples: Iterable[tuple[str, Iterable[tuple[str, bytes]]]]) -> bytes:
    """A plain tar of (key, ((extension, bytes), ...)), members in the order given; equal input, equal bytes.

    Raises DataError for a key or an extension that could not be read back, or that comes twice.
    """
    pieces: list[bytes] = []
    seen: set[str] = set()
    for key, parts in samples:
        extensions: set[str] = set()
        for extension, data in parts:
            name = f"{key}.{extension}"
            _require_writable(key, extension, name, key in seen or extension in extensions)
            extensions.add(extension)
            pieces += (_header(name, len(data)), data, bytes(-len(data) % _BLOCK))
        seen.add(key)
    size = sum(map(len, pieces)) + 2 * _BLOCK
    pieces.append(bytes(2 * _BLOCK + -size % tarfile.RECORDSIZE))
    return b"".join(pieces)


def _tarfile_header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    info.uname = info.gname = "unlearnable"
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


# A header is this one but for its name, size and checksum. tarfile takes 15 microseconds to make one, a codec takes 70
# for a whole picture of 32 pixels; so tarfile makes this one, and any whose name or size is out of the ordinary.
_PLAIN = _tarfile_header("", 0)
_PLAIN_SUM = sum(_PLAIN) - sum(_PLAIN[124:136]) - sum(_PLAIN[148:156]) + sum(b" " * 8)


def _header(name: str, size: int) -> bytes:
    """The header of a member, as tarfile makes it."""
    if len(name) > tarfile.LENGTH_NAME or not name.isascii() or size >= 8**11:
        return _tarfile_header(name, size)
    raw, digits = name.encode(), b"%011o\0" % size
    checksum = b"%06o\0 " % (_PLAIN_SUM + sum(raw) + sum(digits))
    return b"".join((raw.ljust(100, b"\0"), _PLAIN[100:124], digits, _PLAIN[136:148], checksum, _PLAIN[156:]))


def _gunzip(data: bytes, name: str, max_bytes: int) -> Iterator[bytes]:
    """The unpacked pieces of a gzip file of one or more members."""
    total, rest = 0, data
    while rest.startswith(_GZIP):
        stream = zlib.decompressobj(_GUNZIP)
        try:
            piece = stream.decompress(rest, max_bytes - total + 1)
        except zlib.error as error:
            raise DataError(f"shard {name} is truncated or damaged: its gzip stream is broken", _AGAIN) from error
        total += len(piece)
        if total > max_bytes:
            raise _too_big(name, max_bytes)
        if not stream.eof:
            raise DataError(f"shard {name} is truncated or damaged: its gzip stream ends too soon", _AGAIN)
        yield piece
        rest = stream.unused_data
    if rest.strip(b"\0"):
        raise DataError(f"shard {name} is truncated or damaged: there is more after its gzip stream", _AGAIN)


def _require_progress(archive: tarfile.TarFile, info: tarfile.TarInfo, size: int) -> None:
    """A header with a negative size would send tarfile round for ever."""
    end = info.offset_data + info.size
    if info.size < 0 or archive.offset <= info.offset or (info.isreg() and not info.issparse() and end > size):
        raise tarfile.ReadError("a header is damaged")


def _content(plain: bytes, info: tarfile.TarInfo) -> bytes | None:
    if not info.isreg() or info.issparse():
        return None
    return plain[info.offset_data : info.offset_data + info.size]


def _has_header(plain: bytes) -> bool:
    """True when the archive's first block is a header of a tar, so that it is damaged rather than no tar."""
    try:
        tarfile.TarInfo.frombuf(plain[:_BLOCK], "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True


def _require_writable(key: str, extension: str, name: str, twice: bool) -> None:
    if twice:
        raise DataError(f"{name} would come twice in a shard", "give every sample its own key")
    if extension == "__key__" or base_plus_ext(name) != (key, extension) or not extension:
        problem = f'the key "{key}" with the extension "{extension}" can\'t be read back from a shard'
        raise DataError(problem, "use keys without dots and extensions that are not empty")


def _too_big(name: str, max_bytes: int) -> DataError:
    return DataError(
        f"shard {name} unpacks to more than {max_bytes} bytes", "raise max_shard_bytes if you trust it, or split it"
    )


def _damaged(name: str, count: int) -> DataError:
    return DataError(f"shard {name} is truncated or damaged after {count} members", _AGAIN)
