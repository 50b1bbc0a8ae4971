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

from infra.errors import DataError
from tasks.shard.tar_headers import Header, HeaderError, key_and_extension, require_few

_GZIP = b"\x1f\x8b"
_GUNZIP = 16 + zlib.MAX_WBITS
_BLOCK = tarfile.BLOCKSIZE
_FIRST_STEP, _LARGEST_STEP = 1 << 9, 1 << 20  # bytes of a gzip file that are unpacked at a time
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
    return list(walk(data, name, max_bytes))


def walk(data: bytes, name: str, max_bytes: int) -> Iterator[Member]:
    """The members that `members` gives, one by one: those before a damage come, and then its DataError."""
    plain = unpack(data, name, max_bytes)
    count, headers = 0, 0
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:", encoding="utf-8", tarinfo=Header) as archive:
            for info in archive:
                vars(archive)["members"].clear()  # each header would be kept, and a shard may hold little else
                _require_progress(archive, info, len(plain))
                headers += 1
                if not info.isdir():
                    yield Member(info.name, _content(plain, info))
                    count += 1
            end = archive.offset
    except (tarfile.TarError, ValueError, KeyError, IndexError, OSError, RecursionError, struct.error) as error:
        if not count and not _has_header(plain):
            raise DataError(f"{name} is not a tar archive", "give .tar, .tar.gz or .tgz shards") from error
        raise _damaged(name, count, f": {error}" if isinstance(error, HeaderError) else "") from error
    if not headers and len(plain) > tarfile.RECORDSIZE:  # an empty archive is that long at most: this was overwritten
        raise _damaged(name, 0)
    if len(plain) < end + _BLOCK or plain.count(0, end) != len(plain) - end:
        raise _damaged(name, count)


def unpack(data: bytes, name: str, max_bytes: int) -> bytes:
    """The plain tar of a plain or gzip tar. Raises DataError when damaged or above `max_bytes`."""
    plain = _gunzip(data, name, max_bytes) if data.startswith(_GZIP) else data
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
        key, extension = key_and_extension(name)
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


def _gunzip(data: bytes, name: str, max_bytes: int) -> bytes:
    """What a gzip file of one or more members unpacks to; time and memory grow with its size and no faster."""
    plain, view, at = io.BytesIO(), memoryview(data), 0
    while view[at : at + len(_GZIP)] == _GZIP:
        stream, step = zlib.decompressobj(_GUNZIP), _FIRST_STEP
        while not stream.eof:
            piece = view[at : at + step]
            if not piece:
                raise DataError(f"shard {name} is truncated or damaged: its gzip stream ends too soon", _AGAIN)
            try:
                plain.write(stream.decompress(piece, max_bytes - plain.tell() + 1))
            except zlib.error as error:
                raise DataError(f"shard {name} is truncated or damaged: its gzip stream is broken", _AGAIN) from error
            if plain.tell() > max_bytes:
                raise _too_big(name, max_bytes)
            at += len(piece) - len(stream.unused_data)
            # Small at first: what follows the end of a member is copied, and a file may be made of the smallest.
            step = min(2 * step, _LARGEST_STEP)
    if data.count(0, at) != len(data) - at:
        raise DataError(f"shard {name} is truncated or damaged: there is more after its gzip stream", _AGAIN)
    return plain.getvalue()


def _require_progress(archive: tarfile.TarFile, info: tarfile.TarInfo, size: int) -> None:
    """Raise tarfile.ReadError for a header that would send tarfile round for ever, or take it for ever."""
    end = info.offset_data + info.size
    require_few(archive.pax_headers)
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
    if extension == "__key__" or key_and_extension(name) != (key, extension) or not extension:
        problem = f'the key "{key}" with the extension "{extension}" can\'t be read back from a shard'
        raise DataError(problem, "use keys without dots and extensions that are not empty")


def _too_big(name: str, max_bytes: int) -> DataError:
    return DataError(
        f"shard {name} unpacks to more than {max_bytes} bytes", "raise max_shard_bytes if you trust it, or split it"
    )


def _damaged(name: str, count: int, why: str = "") -> DataError:
    return DataError(f"shard {name} is truncated or damaged after {count} members{why}", _AGAIN)
