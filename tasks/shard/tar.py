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
from webdataset.writer import TarWriter

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
    stream = io.BytesIO()
    seen: set[str] = set()
    options = {"user": "unlearnable", "group": "unlearnable", "mode": 0o644, "mtime": 0}
    with TarWriter(stream, encoder=False, keep_meta=True, compress=False, **options) as writer:
        for key, parts in samples:
            extensions: set[str] = set()
            for extension, data in parts:
                _require_writable(key, extension, key in seen or extension in extensions)
                extensions.add(extension)
                # One call a member: given a whole sample, TarWriter would sort its members.
                writer.write({"__key__": key, extension: data})
            seen.add(key)
    return stream.getvalue()


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


def _require_writable(key: str, extension: str, twice: bool) -> None:
    if twice:
        raise DataError(f"{key}.{extension} would come twice in a shard", "give every sample its own key")
    if extension == "__key__" or base_plus_ext(f"{key}.{extension}") != (key, extension) or not extension:
        problem = f'the key "{key}" with the extension "{extension}" can\'t be read back from a shard'
        raise DataError(problem, "use keys without dots and extensions that are not empty")


def _too_big(name: str, max_bytes: int) -> DataError:
    return DataError(
        f"shard {name} unpacks to more than {max_bytes} bytes", "raise max_shard_bytes if you trust it, or split it"
    )


def _damaged(name: str, count: int) -> DataError:
    return DataError(f"shard {name} is truncated or damaged after {count} members", _AGAIN)
