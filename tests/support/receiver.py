"""A webhook on a loopback socket that plays faults and notes what it took, and when.

Knows HTTP and nothing of the target. A record counts as accepted at the moment the
receiver decides so, before any byte of the answer leaves.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import re
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any, BinaryIO, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

_HUGE = 1_000_000_000
_PIECE = b"x" * 65_536


def _bomb() -> bytes:
    """Return 200 MB of zeros in 200 KB, made without them ever being in memory."""
    press = zlib.compressobj(wbits=31)
    pieces = [press.compress(bytes(1_000_000)) for _ in range(200)]
    return b"".join(pieces) + press.flush()


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """What happens to one request.

    ``then``: answer | reset (no answer, TCP RST) | cut (half of the answer) | hang
    (nothing, for ``delay`` seconds, then a close) | drip (the answer at two bytes a
    second) | drip-head (the same from the status line on) | huge (1 GB of answer).
    ``accept`` None: a 2xx accepts.
    """

    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b'{"ok": true}'
    delay: float = 0.0
    then: str = "answer"
    accept: bool | None = None

    @classmethod
    def parse(cls, text: str | int) -> Reply:
        """Read 503, "429:5" (Retry-After: 5), "reset", "accept-reset", "slow:0.5"..."""
        name, _, argument = str(text).partition(":")
        if name.isdigit():
            asked = {"Retry-After": argument} if argument else {}
            return cls(status=int(name), headers=asked, body=b"as scripted")
        if name == "slow":
            return cls(delay=float(argument))
        if name == "hang":
            return cls(then="hang", delay=float(argument or 60), accept=False)
        if name == "bomb":
            return cls(headers={"Content-Encoding": "gzip"}, body=_bomb())
        accept = name.startswith("accept-")
        return cls(then=name.removeprefix("accept-"), accept=accept)


@dataclasses.dataclass(slots=True)
class Request:
    """One request as it arrived, and the status that it was given (0: none)."""

    at: float  # time.monotonic()
    path: str
    headers: dict[str, str]  # names in lower case
    wire: bytes
    connection: int
    status: int = 0
    accepted: bool = False

    @property
    def body(self) -> bytes:
        """The body before compression."""
        zipped = self.headers.get("content-encoding") == "gzip"
        return gzip.decompress(self.wire) if zipped else self.wire

    @property
    def records(self) -> list[Any]:
        """The records, whichever payload format holds them."""
        if self.headers.get("content-type") == "application/x-ndjson":
            return [json.loads(line) for line in self.body.splitlines()]
        found = json.loads(self.body)
        if isinstance(found, dict) and "records" in found:
            found = found["records"]
        return found if isinstance(found, list) else [found]


def identity(record: object) -> str:
    """Return the record's ``uuid`` or ``id``, else its JSON."""
    for name in ("uuid", "id"):
        if isinstance(record, dict) and name in record:
            return str(record[name])
    return json.dumps(record, sort_keys=True)


class Receiver:
    """Start it with ``with``; nothing outlives the block.

    Each request takes the next reply of ``script``; when that is used up, what
    ``judge(request)`` says (a Reply, a shorthand, None = accept).
    """

    def __init__(  # noqa: PLR0913 - each is one trait of a receiver
        self,
        script: Iterable[Reply | str | int] = (),
        *,
        judge: Callable[[Request], Reply | str | int | None] | None = None,
        latency: float = 0.0,
        knee: int | None = None,
        keep: bool = True,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        """``latency``: seconds a request; ``knee``: so many at once, others queue.

        ``keep=False``: count only, do not hold or read bodies (for measurements).
        """
        self.script = list(script)
        self.judge = judge
        self.latency = latency
        self.keep = keep
        self.requests: list[Request] = []
        self.accepted: list[str] = []  # ids, in the order of acceptance
        self.taken = 0  # requests, also when they are not kept
        self.bytes = 0
        self.connections = 0
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()
        self._knee = threading.BoundedSemaphore(knee) if knee else None
        self._tls = tls
        self._open: dict[int, socket.socket] = {}
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._server = socket.create_server(("127.0.0.1", port), backlog=128)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.getsockname()[1])

    @property
    def url(self) -> str:
        """A webhook URL with a secret in its path, as Patterns has it."""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}/api/app/webhooks/wh_canary"

    @property
    def counts(self) -> Counter[str]:
        """How often each id was accepted."""
        with self.lock:
            return Counter(self.accepted)

    @property
    def statuses(self) -> list[int]:
        """The statuses given so far, in order of arrival."""
        with self.lock:
            return [request.status for request in self.requests]

    def __enter__(self) -> Self:
        """Start to listen."""
        self._start(self._listen)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection and wait for every thread."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        with self.lock:
            for connection in self._open.values():
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(10)
        self._server.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
            self._start(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self.lock:
                self._open[number] = connection
            stream = connection.makefile("rb")
            with stream:
                while not self._closing.is_set():
                    request = self._read(stream, number)
                    if request is None or not self._handle(request, connection):
                        return
        except OSError:
            return
        finally:
            with self.lock:
                self._open.pop(number, None)
            connection.close()

    def _read(self, stream: BinaryIO, number: int) -> Request | None:
        first = stream.readline()
        if not first:
            return None
        if not first.startswith(b"POST "):
            self._open[number].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return None
        path = first.split()[1].decode()
        headers: dict[str, str] = {}
        while (line := stream.readline()) not in {b"\r\n", b""}:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        wire = stream.read(length)
        if len(wire) < length:
            return None  # its sender is gone
        return Request(time.monotonic(), path, headers, wire, number)

    def _handle(self, request: Request, connection: socket.socket) -> bool:
        """Play the reply. Return whether the connection goes on."""
        with self.lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self.taken += 1
            self.bytes += len(request.wire)
            said: Reply | str | int | None = self.script.pop(0) if self.script else None
            if self.keep:
                self.requests.append(request)
        try:
            if said is None and self.judge is not None:
                said = self.judge(request)
            if said is None:
                said = Reply()
            reply = said if isinstance(said, Reply) else Reply.parse(said)
            self._spend(self.latency)
            if reply.then != "hang":
                self._closing.wait(reply.delay)
            self._accept(request, reply)
        finally:
            with self.lock:
                self.in_flight -= 1
        return self._answer(reply, connection)

    def _spend(self, seconds: float) -> None:
        with self._knee or contextlib.nullcontext():
            if seconds:
                time.sleep(seconds)

    def _accept(self, request: Request, reply: Reply) -> None:
        accept = reply.accept
        if accept is None:
            accept = 200 <= reply.status < 300
        ids = [identity(r) for r in request.records] if accept and self.keep else []
        with self.lock:
            request.status = reply.status if reply.then == "answer" else 0
            request.accepted = accept
            self.accepted.extend(ids)

    def _answer(self, reply: Reply, connection: socket.socket) -> bool:
        if reply.then == "reset":
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return False
        if reply.then == "hang":
            self._closing.wait(reply.delay)
            return False
        length = _HUGE if reply.then == "huge" else len(reply.body)
        head = f"HTTP/1.1 {reply.status} Scripted\r\nContent-Length: {length}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        answer = (head + "\r\n").encode("latin-1") + reply.body
        if reply.then == "cut":
            answer = answer[: -max(1, len(reply.body) // 2)]
        if reply.then.startswith("drip"):
            return self._drip(reply, answer, connection)
        connection.sendall(answer)
        if reply.then == "huge":
            for _ in range(_HUGE // len(_PIECE)):
                connection.sendall(_PIECE)
        goes_on = re.search("(?im)^connection: *close", head) is None
        return reply.then == "answer" and goes_on

    def _drip(self, reply: Reply, answer: bytes, connection: socket.socket) -> bool:
        fast = 0 if reply.then == "drip-head" else answer.index(b"\r\n\r\n") + 4
        connection.sendall(answer[:fast])
        for byte in answer[fast:]:
            if self._closing.wait(0.5):
                break
            connection.sendall(bytes([byte]))
        return False
