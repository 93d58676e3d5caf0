"""HTTP/1.1 on a raw asyncio protocol, for servers that cost less than their clients.

It owns the bytes: requests whole into one buffer, answers out in order after a delay.
It owns no meaning; what is answered is an argument.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Request(NamedTuple):
    """A request as it came in. The body is the first ``length`` bytes of a buffer."""

    head: bytes
    buffer: bytearray
    length: int


class Reply(NamedTuple):
    """What to send back, and after how many seconds."""

    data: bytes
    wait: float = 0


HEAD_BYTES = 65_536
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Build a whole answer that keeps the connection."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


class Wire(asyncio.BufferedProtocol):
    """One connection, one request at a time.

    The body's buffer is used again for the next request.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Reply]]) -> None:
        self._answer = answer
        self._head = bytearray(HEAD_BYTES)
        self._body = bytearray()
        self._filled = 0
        self._missing = 0
        self._length = 0
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's name
        """Give the rest of the body's buffer, or of the head's."""
        if self._missing:
            return memoryview(self._body)[self._length - self._missing : self._length]
        return memoryview(self._head)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take in what arrived; answer when the request is whole."""
        if self._missing:
            self._missing -= nbytes
        else:
            self._filled += nbytes
            end = self._head.find(b"\r\n\r\n", 0, self._filled)
            if end < 0:
                return
            self._open_body(end + 4)
        if not self._missing:
            self._task = asyncio.ensure_future(self._reply())

    def _open_body(self, start: int) -> None:
        self._request_head = bytes(self._head[:start])
        found = LENGTH.search(self._request_head)
        self._length = int(found[1]) if found else 0
        if len(self._body) < self._length:
            self._body = bytearray(self._length)
        early = self._filled - start
        self._body[:early] = self._head[start : self._filled]
        self._missing = self._length - early
        self._filled = 0

    async def _reply(self) -> None:
        request = Request(self._request_head, self._body, self._length)
        reply = await self._answer(request)
        if reply.wait:
            await asyncio.sleep(reply.wait)
        self._transport.write(reply.data)


async def serve(answer: Callable[[Request], Awaitable[Reply]]) -> None:
    """Serve on a free port of the loopback, say which, and stay."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Wire(answer), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - its interface
    await server.serve_forever()
