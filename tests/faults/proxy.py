"""A proxy on loopback that does to a server's traffic what bad networks and busy servers do, by a seeded plan.

It stands in front of an HTTP server and hands requests on as they are, the Host header too, so that a signature made
for the proxy's address holds behind it. One request a connection.
"""

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

READS = ("truncated", "garbled")  # done to the body of an answer to GET
WRITES = ("swallowed", "garbled upload")  # done to what changes something
ANY = ("500", "503", "reset", "slow")
KINDS = (*ANY, *READS, *WRITES)
# Statuses that the proxy answers with; the last two are no faults but a server that can't, or won't, do what was asked.
_ERRORS = {
    "500": ("Internal Server Error", "InternalError"),
    "503": ("Slow Down", "SlowDown"),
    "501": ("Not Implemented", "NotImplemented"),
    "403": ("Access Denied", "AccessDenied"),
}


@dataclass(frozen=True)
class Request:
    """A request as it came in: `headers` by lower-case name."""

    method: str
    target: str
    headers: dict[str, str]
    head: bytes
    body: bytes

    @property
    def of_object(self) -> bool:
        """True when it is about one object itself and not about a bucket or an upload."""
        parts = urlsplit(self.target)
        return "/" in parts.path.strip("/") and not parts.query.startswith("uploads")


@dataclass
class Plan:
    """Which fault a request suffers: each kind with its probability, drawn from `seed`, `most` at the utmost."""

    seed: int = 0
    rates: Mapping[str, float] = field(default_factory=dict)
    most: int = 1000
    only: Callable[[Request], bool] = lambda request: True

    def __post_init__(self) -> None:
        unknown = set(self.rates) - {*KINDS, *_ERRORS}
        if unknown:
            raise ValueError(f"no such faults: {unknown}")
        self._random = random.Random(self.seed)
        self.done: Counter[str] = Counter()

    def fault(self, request: Request) -> str | None:
        """The fault for this request, or None; it is counted."""
        fitting = {kind: rate for kind, rate in self.rates.items() if _fits(kind, request)}
        if not fitting or not self.only(request) or sum(self.done.values()) >= self.most:
            return None
        drawn = self._random.random()  # once for each request that could suffer: how many do is up to the seed
        for kind, rate in fitting.items():
            if drawn < rate:
                self.done[kind] += 1
                return kind
            drawn -= rate
        return None


def _fits(kind: str, request: Request) -> bool:
    if kind in READS:
        return request.method == "GET" and request.of_object
    if kind == "garbled upload":
        return bool(request.body) and request.method == "PUT"
    return kind in ANY or kind in _ERRORS or request.method in ("PUT", "POST", "DELETE")


class FaultProxy:
    """A context: the proxy runs in a thread of its own while it lasts, and `url` is where."""

    def __init__(self, upstream: str, plan: Plan | None = None, slow: float = 3.0):
        parts = urlsplit(upstream)
        self.upstream = (parts.hostname or "", parts.port or 80)
        self.plan = plan or Plan()
        self.slow = slow
        self.seen: list[Request] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _request(reader, writer)
            self.seen.append(request)
            await self._answer(request, self.plan.fault(request), writer)
        except (OSError, asyncio.IncompleteReadError):  # one of the two ends is gone: so is the other for its peer
            _reset(writer)
        except asyncio.CancelledError:  # the proxy ends in the middle of a slow answer
            _reset(writer)
        finally:
            writer.close()

    async def _answer(self, request: Request, fault: str | None, writer: asyncio.StreamWriter) -> None:
        if fault == "reset":
            return _reset(writer)
        if fault in _ERRORS:
            return await _send(writer, _error(fault))
        body = _flipped(request.body) if fault == "garbled upload" else request.body
        answer = await self._forward(request.head, body)
        if fault == "swallowed":
            return _reset(writer)
        if fault == "slow":
            await asyncio.sleep(self.slow)
        head, _, content = answer.partition(b"\r\n\r\n")
        if fault == "truncated":
            content = content[: len(content) // 2]
        if fault == "garbled":
            content = _flipped(content)
        return await _send(writer, head + b"\r\n\r\n" + content)

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self.upstream)
        try:
            writer.write(head + body)
            await writer.drain()
            return await reader.read()
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ", 2)
    pairs = [line.split(":", 1) for line in lines]
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in headers.get("transfer-encoding", ""):
        raise NotImplementedError("a body in chunks")
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    kept = [line for line in lines if line.split(":", 1)[0].strip().lower() not in ("connection", "expect")]
    onward = "\r\n".join([first, *kept, "Connection: close"]) + "\r\n\r\n"
    return Request(method, target, headers, onward.encode("latin-1"), body)


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST, as a peer does that has crashed."""
    link = writer.get_extra_info("socket")
    if link is not None and link.fileno() >= 0:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _flipped(data: bytes) -> bytes:
    """`data` with its middle byte changed."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x55]) + data[middle + 1 :] if data else data


def _error(status: str) -> bytes:
    reason, code = _ERRORS[status]
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{reason}</Message></Error>'.encode()
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body
