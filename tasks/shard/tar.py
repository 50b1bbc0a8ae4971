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
_FIRST_STEP, _LARGEST_STEP = 1 << 9, 1 << 20  # bytes of a gzip file that are unpacked at a time
_AGAIN = "copy it again from its origin"
_MOST_GLOBAL = 1000  # what global pax headers may state; archives of git's have one such statement
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
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:", encoding="utf-8") as archive:
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
        raise _damaged(name, count) from error
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
    if len(archive.pax_headers) > _MOST_GLOBAL:
        raise tarfile.ReadError("it states too much for all of its members")  # tarfile copies that for each of them
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
