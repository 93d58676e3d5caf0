"""A server of raw bytes on the loopback: a function plays each connection.

For what no well-behaved server says. It knows neither of the two programs.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType

    Play = Callable[["Talk"], None]


class Talk:
    """One connection: what came, and what goes out."""

    def __init__(
        self, connection: socket.socket, number: int, closing: threading.Event
    ) -> None:
        self.connection = connection
        self.number = number  # from 1
        self.heads: list[bytes] = []  # of the requests that were read
        self._closing = closing
        self._stream = connection.makefile("rb")

    def read(self) -> bytes:
        """Read one request, its body too; return its head, empty at the end."""
        lines = []
        while (line := self._stream.readline()) not in {b"\r\n", b""}:
            lines.append(line)
        head = b"".join(lines)
        for line in lines:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                self._stream.read(int(value))
        if head:
            self.heads.append(head)
        return head

    def send(self, data: bytes) -> None:
        """Send at once."""
        self.connection.sendall(data)

    def drip(self, data: bytes) -> None:
        """Send a byte every so often, and the whole again and again."""
        while not self._closing.is_set():
            for byte in data:
                if self._closing.wait(0.1):
                    return
                self.connection.sendall(bytes([byte]))

    def hang(self) -> None:
        """Say nothing until the server ends."""
        self._closing.wait(60)

    def close(self) -> None:
        """Hang up. A stream that is open would keep the connection."""
        with contextlib.suppress(OSError):
            self._stream.close()
        self.connection.close()

    def upgrade(self, context: ssl.SSLContext) -> None:
        """Speak TLS from here on, as behind a proxy's CONNECT."""
        self._stream.close()
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self._stream = self.connection.makefile("rb")


class RawServer:
    """Start it with `with`; nothing outlives the block."""

    def __init__(self, play: Play, *, host: str = "127.0.0.1") -> None:
        """`play` talks on each connection, which is closed when it returns."""
        self.talks: list[Talk] = []
        self._play = play
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = socket.create_server((host, 0), family=family, backlog=128)
        self.port = int(self._server.getsockname()[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def heads(self) -> list[bytes]:
        """The heads of all requests that were read, in order of connections."""
        return [head for talk in self.talks for head in talk.heads]

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
        sockets = [self._server, *(talk.connection for talk in self.talks)]
        for each in sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(each, socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(30)
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
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk = Talk(connection, len(self.talks) + 1, self._closing)
            self.talks.append(talk)
            self._start(self._serve, talk)

    def _serve(self, talk: Talk) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._play(talk)
        talk.close()
